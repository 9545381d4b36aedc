"""HTTP requests and responses, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_cli.json_value import Json


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. `target` is path and query as sent; `headers` have lower-case names, repeated ones are joined."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"
    port: int = 0

    @property
    def path(self) -> str:
        """Path of the target, percent-encoded as sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """Query of the target, without the question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; `headers` may have a name several times, such as `set-cookie`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, headers: dict[str, str]) -> HttpResponse:
        """Return the response with these headers instead of its own of the same names."""
        kept = tuple(each for each in self.headers if each[0].lower() not in headers)
        return HttpResponse(self.status, (*kept, *headers.items()), self.body)


def json_response(status: int, body: Json) -> HttpResponse:
    """Return a response with a JSON body."""
    return HttpResponse(status, (("content-type", "application/json"),), json.dumps(body).encode())
