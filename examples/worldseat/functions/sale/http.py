"""Requests and responses of a function URL (payload format 2.0)."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict

from blocks_runtime import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_MOST_BYTES = 16 * 1024
_WORTH_COMPRESSING = 1024


class Response(TypedDict):
    """A response as Lambda takes it."""

    statusCode: int
    headers: dict[str, str]
    body: str
    isBase64Encoded: bool


class BadRequest(Exception):
    """The request is not valid; the text says why, and what to send."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a browser or of the load client."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, object]
    client: str
    """IP address of the client, as Lambda has seen it."""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Return the request of an event.

        Raises:
            BadRequest: the body is no JSON object, or too long.
        """
        http = event["requestContext"]["http"]
        body = _json(event) if event.get("body") else {}
        if not isinstance(body, dict):
            raise BadRequest('the body is no JSON object; send one such as {"backend": "dsql"}')
        return cls(
            method=http["method"],
            path=event["rawPath"],
            query=event.get("queryStringParameters") or {},
            headers=event["headers"],
            body=body,
            client=http["sourceIp"],
        )

    @property
    def url(self) -> str:
        """The URL of this function, without a path. Lambda chooses the function by the host name."""
        return f"{self.headers.get('x-forwarded-proto', 'https')}://{self.headers['host']}"


def _json(event: Mapping[str, Any]) -> object:
    """Return the body of a request as JSON, None if it is none; Lambda encodes it unless its content-type is text.

    Raises:
        BadRequest: it is too long.
    """
    body = event["body"]
    try:
        content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        if len(content) > _MOST_BYTES:
            raise BadRequest(f"the body has more than {_MOST_BYTES} bytes; send fewer seats or buyers")
        return json.loads(content)
    except (ValueError, RecursionError):  # a text of brackets is deeper than the parser goes
        return None


def respond(
    request: Request | None,
    content: bytes,
    kind: str,
    status: int = 200,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Response:
    """Return a response; it is compressed if the client takes that."""
    sent = {"content-type": kind, "x-content-type-options": "nosniff", "vary": "accept-encoding", **headers}
    accepted = "" if request is None else request.headers.get("accept-encoding", "")
    if len(content) < _WORTH_COMPRESSING or "gzip" not in accepted:
        return {"statusCode": status, "headers": sent, "body": content.decode(), "isBase64Encoded": False}
    packed = base64.b64encode(gzip.compress(content, 6)).decode()
    return {
        "statusCode": status,
        "headers": {**sent, "content-encoding": "gzip"},
        "body": packed,
        "isBase64Encoded": True,
    }


def answer(
    request: Request | None, result: object, status: int = 200, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """Return a response with a JSON body, which is not stored."""
    content = to_json(result).encode()
    return respond(request, content, "application/json", status, {"cache-control": "no-store", **headers})


def failure(
    request: Request | None, status: int, error: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """Return a response with an error."""
    return answer(request, {"error": error}, status, headers)
