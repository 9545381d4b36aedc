"""Payload format version 2.0: events and responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from blocks_cli.http.message import HttpRequest
from blocks_cli.http.payload import MalformedResponseError, RequestContext, event_of, response_of
from blocks_cli.json_value import mapping

if TYPE_CHECKING:
    from blocks_cli.json_value import Json

CONTEXT = RequestContext("anonymous", "abc", "abc.lambda-url.eu-west-1.on.aws")


def event(**parts: object) -> dict[str, Json]:
    request = HttpRequest(**{"method": "GET", "target": "/", **parts})  # type: ignore[arg-type]
    return mapping(event_of(request, CONTEXT, "id-1"))


def test_path_and_query() -> None:
    got = event(target="/a%20b/c?x=1&x=2&y=&z=%C3%BC")
    assert got["rawPath"] == "/a%20b/c"
    assert got["rawQueryString"] == "x=1&x=2&y=&z=%C3%BC"
    assert got["queryStringParameters"] == {"x": "1,2", "y": "", "z": "ü"}
    assert (got["version"], got["routeKey"]) == ("2.0", "$default")


def test_cookies_and_headers() -> None:
    got = event(headers={"cookie": "a=1; b=2", "x-name": "value", "host": "127.0.0.1:1"})
    assert got["cookies"] == ["a=1", "b=2"]
    assert mapping(got["headers"])["x-name"] == "value"
    assert "cookie" not in mapping(got["headers"])


def test_request_context() -> None:
    context = mapping(event(method="POST", target="/p?q", headers={"user-agent": "me"})["requestContext"])
    assert context["http"] == {
        "method": "POST",
        "path": "/p",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "me",
    }
    assert (context["accountId"], context["apiId"], context["domainPrefix"]) == ("anonymous", "abc", "abc")
    assert (context["requestId"], context["stage"]) == ("id-1", "$default")


BODIES: dict[str, tuple[bytes, str, object, bool]] = {
    "none": (b"", "", None, False),
    "JSON": (b'{"a": 1}', "application/json", '{"a": 1}', False),
    "JSON with charset": (b"{}", "application/json; charset=utf-8", "{}", False),
    "problem": (b"{}", "application/problem+json", "{}", False),
    "text": ("grüße".encode(), "text/plain", "grüße", False),
    "image": (b"\x89PNG", "image/png", "iVBORw==", True),
    "form": (b"a=1", "application/x-www-form-urlencoded", "YT0x", True),
    "no type": (b"a", "", "YQ==", True),
    "text that is none": (b"\xff", "text/plain", "/w==", True),
}


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES)
def test_body(case: tuple[bytes, str, object, bool]) -> None:
    body, kind, expected, is_base64 = case
    got = event(method="POST", body=body, headers={"content-type": kind} if kind else {})
    assert (got.get("body"), got["isBase64Encoded"]) == (expected, is_base64)


@dataclass(frozen=True)
class Response:
    """A function's result and the response that it means."""

    payload: Json
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


TEXT = {"content-type": "text/plain"}
RESPONSES = {
    "object without status": Response({"a": 1}, 200, b'{"a": 1}'),
    "text": Response("hello", 200, b"hello"),
    "nothing": Response(None, 200, b"null"),
    "list": Response([1], 200, b"[1]"),
    "status only": Response({"statusCode": 204}, 204, b"", TEXT),
    "status as text": Response({"statusCode": "201", "body": "x"}, 201, b"x", TEXT),
    "header": Response(
        {"statusCode": 200, "headers": {"Content-Type": "text/html", "X-N": 1}, "body": "<p>"},
        200,
        b"<p>",
        {"content-type": "text/html", "x-n": "1"},
    ),
    "base64": Response(
        {"statusCode": 200, "body": "iVBORw==", "isBase64Encoded": True}, 200, b"\x89PNG", TEXT
    ),
    "cookie": Response(
        {"statusCode": 200, "cookies": ["a=1"]}, 200, b"", {"content-type": "text/plain", "set-cookie": "a=1"}
    ),
}


@pytest.mark.parametrize("case", RESPONSES.values(), ids=RESPONSES)
def test_response(case: Response) -> None:
    got = response_of(case.payload, "text/plain")
    assert (got.status, got.body, dict(got.headers)) == (case.status, case.body, case.headers)


MALFORMED: dict[str, Json] = {
    "status is a word": {"statusCode": "ok"},
    "status out of range": {"statusCode": 99},
    "body is an object": {"statusCode": 200, "body": {"a": 1}},
    "body is not base64": {"statusCode": 200, "body": "%", "isBase64Encoded": True},
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
def test_malformed_response(payload: Json) -> None:
    with pytest.raises(MalformedResponseError):
        response_of(payload, "text/plain")
