"""Payload format version 2.0: the event of a request, and the response of a function.

Sources: AWS Lambda guide, "Invoking Lambda function URLs"; API Gateway guide, "Create AWS Lambda proxy integrations for
HTTP APIs".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_cli.http.message import HttpResponse
from blocks_cli.json_value import Json, mapping, sequence, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.http.message import HttpRequest

DEFAULT_ROUTE = "$default"
DEFAULT_STAGE = "$default"

_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.*\+json|.*\+xml)")
"""Content types whose bodies are text; all others are encoded as base64."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The parts of an event that the endpoint decides; `account` is `anonymous` for a function URL."""

    account: str
    api_id: str
    domain: str
    route_key: str = DEFAULT_ROUTE
    stage: str = DEFAULT_STAGE
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    stage_variables: Mapping[str, Json] = field(default_factory=dict)


def event_of(request: HttpRequest, context: RequestContext, request_id: str) -> Json:
    """Return the event of a request."""
    headers = {name: value for name, value in request.headers.items() if name != "cookie"}
    event: dict[str, Json] = {
        "version": "2.0",
        "routeKey": context.route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": {**headers, **_forwarded(request)},
        "requestContext": _request_context(request, context, request_id),
        "isBase64Encoded": False,
    }
    if cookies := request.headers.get("cookie"):
        event["cookies"] = [each.strip() for each in cookies.split(";")]
    if query := urllib.parse.parse_qsl(request.query, keep_blank_values=True):
        names = dict.fromkeys(name for name, _ in query)
        event["queryStringParameters"] = {
            name: ",".join(value for each, value in query if each == name) for name in names
        }
    if context.path_parameters:
        event["pathParameters"] = dict(context.path_parameters)
    if context.stage_variables:
        event["stageVariables"] = dict(context.stage_variables)
    return event | _body(request)


def _body(request: HttpRequest) -> dict[str, Json]:
    if not request.body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _TEXT.fullmatch(kind):
        try:
            return {"body": request.body.decode()}
        except UnicodeDecodeError:
            pass  # no text, whatever its type
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def _forwarded(request: HttpRequest) -> dict[str, Json]:
    return {
        "x-forwarded-for": request.client,
        "x-forwarded-port": str(request.port),
        "x-forwarded-proto": "http",
    }


def _request_context(request: HttpRequest, context: RequestContext, request_id: str) -> Json:
    now = time.time()
    return {
        "accountId": context.account,
        "apiId": context.api_id,
        "domainName": context.domain,
        "domainPrefix": context.domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.client,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": context.route_key,
        "stage": context.stage,
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


class MalformedResponseError(Exception):
    """The result of a function is no response; `args[0]` says why."""


def response_of(payload: Json, content_type: str) -> HttpResponse:
    """Return the HTTP response that a function's result means.

    A result without `statusCode` is the body of a response with status 200. `content_type` is that of a response whose
    headers have none.

    Raises:
        MalformedResponseError: a part of the result has the wrong type.
    """
    if not isinstance(payload, dict) or "statusCode" not in payload:
        body = payload if isinstance(payload, str) else json.dumps(payload)
        return HttpResponse(200, (("content-type", "application/json"),), body.encode("utf-8", "replace"))
    headers = {name.lower(): text(value) for name, value in mapping(payload.get("headers")).items()}
    cookies = (("set-cookie", text(each)) for each in sequence(payload.get("cookies")))
    return HttpResponse(
        _status(payload["statusCode"]),
        (*{"content-type": content_type, **headers}.items(), *cookies),
        _decoded(payload.get("body"), is_base64=payload.get("isBase64Encoded") is True),
    )


def _status(value: Json) -> int:
    if (found := text(value)).isdigit() and 100 <= int(found) <= 599:
        return int(found)
    raise MalformedResponseError(f"statusCode {value!r} is no HTTP status")


def _decoded(body: Json, *, is_base64: bool) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponseError(f"body is {type(body).__name__}, not text: use json.dumps()")
    try:
        return base64.b64decode(body, validate=True) if is_base64 else body.encode("utf-8", "replace")
    except binascii.Error as error:
        raise MalformedResponseError(f"body is not base64: {error}") from None
