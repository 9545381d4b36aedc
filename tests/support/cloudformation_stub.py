"""A response URL on loopback, and an event of CloudFormation that names it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT: dict[str, object] = {
    "RequestType": "Create",
    "ResponseURL": "http://localhost/",
    "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/app/1",
    "RequestId": "request-1",
    "LogicalResourceId": "Migrations",
    "ResourceProperties": {"Database": "main"},
}


@dataclass
class CloudFormationStub:
    """Received responses, and the HTTP statuses to reply with first (200 after these)."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def response_server(*statuses: int) -> Iterator[CloudFormationStub]:
    """Serve a response URL on a free port of the loopback address."""
    stub = CloudFormationStub(statuses=list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # an invocation of a function, by Lambda's API
            self.do_PUT()

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = stub.statuses.pop(0) if stub.statuses else 200
            if status < 300:
                stub.bodies.append(json.loads(body))
            stub.paths.append(self.path)
            stub.headers.append(dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}/answer?X-Amz-Signature=a%2Fb"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
