"""A TCP relay in front of a cluster that can hold, lose or tear the traffic at a chosen message.

What it relays is TLS, so a message is one record of application data, in either direction: a request, or the
answer to one. To stop at the n-th means that it was sent and has not arrived: a request was never seen by the
server, an answer never heard by the client. So stopping at every n is stopping before and after each step.
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
    """Which way a message goes."""

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
        """Messages so far, both ways."""
        self.reached = threading.Event()
        """Set once the message of `stop_at` has come."""
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
        """Hold everything from the message on that is number `number` (from 1) from now; then go on or tear."""
        self._trap = _Trap(number, direction, tear=False)

    def lose_next(self, direction: Direction, number: int = 1) -> None:
        """Tear every connection in place of delivering the next message that goes this way, or a later one."""
        self._trap = _Trap(number, direction, tear=True)

    @property
    def armed(self) -> bool:
        """True while the message that was to be stopped at, or lost, has not come."""
        return self._trap is not None

    def fall_silent(self) -> None:
        """Keep the connections there are, and swallow whatever is said on them from now on."""
        self._deaf.update(self._open)

    def go_on(self) -> None:
        """Deliver what is held, and everything that follows."""
        self._flowing.set()

    def tear(self) -> None:
        """Tear every connection, what is held with it; new ones are relayed as if nothing had happened."""
        self._cut()
        self._flowing.set()

    def close(self) -> None:
        """Tear everything and stop listening."""
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
                server = socket.create_connection(self._server)
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
        """Count a message; if it is the one to stop at, stop."""
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
    """Yield what comes, cut into TLS records; what is no TLS (a request for it, and its answer) as it comes."""
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
    """Relay to `localhost:<port>` until the end of the block."""
    made = Relay(("127.0.0.1", int(endpoint.partition(":")[2])))
    try:
        yield made
    finally:
        made.close()
