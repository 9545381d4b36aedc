"""A response URL on loopback, and an event of CloudFormation that names it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blocks_cli.lambda_.http_server import RequestHandler, Server

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

    class Handler(RequestHandler):
        def do_POST(self) -> None:  # an invocation of a function, by Lambda's API
            self.do_PUT()

        def do_PUT(self) -> None:
            body = self.body()
            status = stub.statuses.pop(0) if stub.statuses else 200
            if status < 300:
                stub.bodies.append(json.loads(body))
            stub.paths.append(self.path)
            stub.headers.append(dict(self.headers))
            self.reply(status)

    server = Server(Handler)
    stub.url = f"http://{server.address}/answer?X-Amz-Signature=a%2Fb"
    try:
        yield stub
    finally:
        server.close()
