"""A loopback HTTP/1.1 server that sends each response in one write."""

from __future__ import annotations

import contextlib
import http.server
import selectors
import socket
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestHandler(http.server.BaseHTTPRequestHandler):
    """Base class of request handlers.

    Nagle's algorithm is off and a response is sent in one write: otherwise delayed acknowledgements cost 40 ms on each
    side of every invocation (88 ms measured).
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Write no access log, so that only the output of functions is shown."""

    def body(self) -> bytes:
        """Return the body of the request, by Content-Length or chunked."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send the response."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    """A threaded server on a port of the loopback interface, by default a free one."""

    daemon_threads = True
    # Connections in a long poll must not delay the end of the program.
    block_on_close = False

    def __init__(self, handler: type[RequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._stopped, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        """Handle requests until the server is closed; `serve_forever` would look for its end at intervals."""
        self.timeout = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno(), selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while all(key.fileobj is not self._stopped for key, _ in selector.select()):
                self.handle_request()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections, such as that of an ended sandbox; print other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        """Address as `host:port`."""
        return f"127.0.0.1:{self.server_port}"

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):  # it is closed already
            self._stop.shutdown(socket.SHUT_RDWR)  # unlike close(), it also ends the copy of a forked process
        self._thread.join()
        self._stop.close()
        self._stopped.close()
        self.server_close()
