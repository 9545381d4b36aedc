"""The server of one endpoint on the loopback interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.http.message import HttpRequest
from blocks_cli.lambda_.http_server import RequestHandler, Server

if TYPE_CHECKING:
    from blocks_cli.http.endpoint import Endpoint

_WITHOUT_BODY = {204, 304}


class EndpointServer(Server):
    """Serves one endpoint; `endpoint` may be replaced while it runs."""

    request_queue_size = 256

    def __init__(self, endpoint: Endpoint, port: int = 0) -> None:
        self.endpoint = endpoint
        super().__init__(_EndpointHandler, port)

    @property
    def url(self) -> str:
        """URL without a path."""
        return f"http://{self.address}"


class _EndpointHandler(RequestHandler):
    server: EndpointServer

    def _serve(self) -> None:
        response = self.server.endpoint.respond(self._request())
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, _one_line(value))
        has_body = response.status not in _WITHOUT_BODY
        if has_body:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - names required by http.server

    def _request(self) -> HttpRequest:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            separator = "; " if key == "cookie" else ","
            headers[key] = f"{headers[key]}{separator}{value}" if key in headers else value
        return HttpRequest(
            self.command, self.path, headers, self.body(), self.client_address[0], self.server.server_port
        )


def _one_line(value: str) -> str:
    """Return a header value without line breaks, which would begin another header."""
    return " ".join(value.splitlines())
