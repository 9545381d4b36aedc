"""A TCP relay before a cluster that can suspend traffic, drop a message, or break connections at a chosen message.

The traffic is TLS, so a message is one record of application data in either direction: a request or a response.
Stopping at message n means that it was sent but not delivered. So stopping at every n covers the time before and
after each step.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_APPLICATION_DATA = 23
_HEADER = struct.Struct("!BHH")  # type, version, length


class Direction(enum.Enum):
    """Direction of a message."""

    REQUEST = "request"
    ANSWER = "answer"


@dataclass
class _Trap:
    left: int
    direction: Direction | None
    tear: bool


class Relay:
    """Relays between the clients of `port` on this machine and a server."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.count = 0
        """Number of messages in both directions."""
        self.reached = threading.Event()
        """Set once the message of `stop_at` has arrived."""
        self._server = server
        self._trap: _Trap | None = None
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: list[socket.socket] = []
        self._deaf: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(threading.Thread(target=self._accept))

    def stop_at(self, number: int, direction: Direction | None = None) -> None:
        """Suspend traffic from message `number` on, counted from 1 now; then call `go_on` or `tear`."""
        self._trap = _Trap(number, direction, tear=False)

    def lose_next(self, direction: Direction, number: int = 1) -> None:
        """Break all connections instead of delivering message `number` of this direction, counted from 1 now."""
        self._trap = _Trap(number, direction, tear=True)

    @property
    def armed(self) -> bool:
        """True until the message of `stop_at` or `lose_next` has arrived."""
        return self._trap is not None

    def fall_silent(self) -> None:
        """Keep the existing connections open, and drop all further messages on them."""
        self._deaf.update(self._open)

    def go_on(self) -> None:
        """Deliver suspended and all further messages."""
        self._flowing.set()

    def tear(self) -> None:
        """Break all connections, dropping suspended messages; new connections are relayed normally."""
        with self._lock:
            self._trap = None  # a message that has arrived already would stop its thread for ever
        self._cut()
        self._flowing.set()

    def close(self) -> None:
        """Break all connections and stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.tear()
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()

    def _start(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except OSError:  # the server does not listen: the next client may find that it does
                    client.close()
                    continue
                self._open += [client, server]
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for way in ((client, server, Direction.REQUEST), (server, client, Direction.ANSWER)):
                    self._start(threading.Thread(target=self._relay, args=way))

    def _relay(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            for record in _records(source):
                if record[0] == _APPLICATION_DATA:
                    self._look(direction)
                self._flowing.wait()
                if source not in self._deaf:
                    sink.sendall(record)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _look(self, direction: Direction) -> None:
        """Count a message; stop or break at the chosen one."""
        with self._lock:
            self.count += 1
            trap = self._trap
            if trap is None or trap.direction not in (None, direction):
                return
            trap.left -= 1
            if trap.left:
                return
            self._trap = None
            if trap.tear:
                self._cut()
            else:
                self._flowing.clear()
            self.reached.set()

    def _cut(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _records(source: socket.socket) -> Iterator[bytes]:
    """Yield incoming data split into TLS records; other data (SSLRequest and its reply) as received."""
    data = b""
    while more := source.recv(65536):
        data += more
        while data:
            if data[0] not in range(20, 25):
                yield data
                data = b""
                break
            if len(data) < _HEADER.size:
                break
            size = _HEADER.size + _HEADER.unpack_from(data)[2]
            if len(data) < size:
                break
            yield data[:size]
            data = data[size:]


@contextlib.contextmanager
def relay(endpoint: str) -> Iterator[Relay]:
    """Relay to the endpoint `localhost:<port>` until the end of the block."""
    made = Relay(("127.0.0.1", int(endpoint.partition(":")[2])))
    try:
        yield made
    finally:
        made.close()
