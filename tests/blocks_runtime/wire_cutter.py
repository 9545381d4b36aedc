"""A TCP relay in front of a cluster that can lose connections at a chosen moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class WireCutter:
    """Relays bytes both ways between clients on `port` and a server, until told to cut."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lose_answer = False
        self._lose_request = False
        self._start(self._accept)

    def lose_next_answer(self) -> None:
        """Let the next request through, and cut the connection instead of delivering its answer."""
        self._lose_answer = True

    def lose_next_request(self) -> None:
        """Cut the connection instead of delivering the next request."""
        self._lose_request = True

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut everything and stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                self._start(self._relay, client, server, True)
                self._start(self._relay, server, client, False)

    def _relay(self, source: socket.socket, sink: socket.socket, requests: bool) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not self._cuts(requests):
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _cuts(self, requests: bool) -> bool:
        """Say whether what has just been read shall be lost; one thing is lost for each request to lose."""
        if requests and self._lose_request:
            self._lose_request = False
            return True
        if not requests and self._lose_answer:
            self._lose_answer = False
            return True
        return False


@contextlib.contextmanager
def wire_cutter(endpoint: str) -> Iterator[WireCutter]:
    """Relay to `localhost:<port>` until the end of the block."""
    cutter = WireCutter(("127.0.0.1", int(endpoint.partition(":")[2])))
    try:
        yield cutter
    finally:
        cutter.close()
