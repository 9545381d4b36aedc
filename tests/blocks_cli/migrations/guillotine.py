"""A TCP relay that stops the traffic at a chosen message, and says when.

What it relays is TLS, so a message is one record of application data, in either direction: a request, or the
answer to one. To stop before the n-th means that it was sent and never arrives: a request is never seen by the
server, an answer never heard by the client. So stopping before every n is stopping before and after each step.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_APPLICATION_DATA = 23
_HEADER = struct.Struct("!BHH")  # type, version, length


class Then(enum.Enum):
    """What becomes of the connections at the chosen message."""

    FREEZE = "freeze"
    """Nothing is relayed any more, so that the client can be killed with everything as it is."""
    TEAR = "tear"
    """They are torn; new ones are relayed as if nothing had happened."""


class Guillotine:
    """Relays between clients of `port` and a server, up to message number `at` (from 1; 0: for ever)."""

    def __init__(self, server: tuple[str, int], at: int, then: Then) -> None:
        self.count = 0
        self.reached = threading.Event()
        self._server = server
        self._at = at
        self._then = then
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(threading.Thread(target=self._accept))

    def close(self) -> None:
        """Tear everything and stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self._tear()
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
                for source, sink in ((client, server), (server, client)):
                    self._start(threading.Thread(target=self._relay, args=(source, sink)))

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for record in _records(source):
                if not self._passes(record):
                    return
                sink.sendall(record)
        if not self._frozen:
            for each in (source, sink):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    @property
    def _frozen(self) -> bool:
        return self._then is Then.FREEZE and self.reached.is_set()

    def _passes(self, record: bytes) -> bool:
        with self._lock:
            if self._frozen:
                return False
            self.count += record[0] == _APPLICATION_DATA
            if self.count != self._at or self.reached.is_set():
                return True
            self.reached.set()
        if self._then is Then.TEAR:
            self._tear()
        return False

    def _tear(self) -> None:
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
def guillotine(endpoint: str, at: int, then: Then) -> Iterator[Guillotine]:
    """Relay to `localhost:<port>` until the end of the block."""
    relay = Guillotine(("127.0.0.1", int(endpoint.partition(":")[2])), at, then)
    try:
        yield relay
    finally:
        relay.close()
