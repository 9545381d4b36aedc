"""Endpoints: a function URL, or an HTTP API, behind a loopback port."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from blocks_cli.http.cors import PREFIX, Cors, is_preflight
from blocks_cli.http.message import HttpRequest, HttpResponse, json_response
from blocks_cli.http.payload import (
    DEFAULT_STAGE,
    MalformedResponseError,
    RequestContext,
    event_of,
    response_of,
)
from blocks_cli.http.routes import Route, find_route
from blocks_cli.lambda_.limits import EVENT_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.result import InvocationResult

MAX_API_BODY = 10 << 20
"""Bytes of a request to an HTTP API (API Gateway guide, "Quotas for HTTP APIs")."""

_THROTTLED = "TooManyRequestsException"


class Invoke(Protocol):
    """Invokes a function by ARN."""

    def __call__(self, arn: str, event: Json) -> InvocationResult:
        """Return the result of the invocation."""


class Endpoint(Protocol):
    """Responds to requests."""

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Return the response to a request."""


@dataclass(frozen=True)
class FunctionUrl:
    """A function URL. `may` returns whether an Authorization header permits the request; None permits all.

    `path` is the construct path of the function, which names the URL in warnings.
    """

    path: str
    function: str
    domain: str
    invoke: Invoke
    warn: Callable[[str], None]
    cors: Cors | None = None
    may: Callable[[str], bool] | None = None

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Invoke the function."""
        if self.cors and is_preflight(request):
            return HttpResponse(200, tuple(self.cors.of_preflight(request).items()))
        headers = self.cors.of_response(request) if self.cors else {}
        if self.may and not self.may(request.headers.get("authorization", "")):
            return json_response(403, {"Message": "Forbidden"}).with_headers(headers)
        context = RequestContext("anonymous", self.domain.partition(".")[0], self.domain)
        result = self.invoke(self.function, event_of(request, context, str(uuid.uuid4())))
        return _URL_RESPONSES.of(result, self.path, self.warn).with_headers(headers)


@dataclass(frozen=True)
class HttpApi:
    """An HTTP API. `domain` is its host name on AWS; `stage` is a prefix of all paths unless it is the default one.

    `path` is the construct path, which names the API in warnings.
    """

    path: str
    api_id: str
    account: str
    domain: str
    routes: tuple[Route, ...]
    invoke: Invoke
    warn: Callable[[str], None]
    stage: str = DEFAULT_STAGE
    stage_variables: Mapping[str, Json] = field(default_factory=dict)
    cors: Cors | None = None

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Invoke the function of the route."""
        if self.cors and is_preflight(request):
            return HttpResponse(204, tuple(self.cors.of_preflight(request).items()))
        response = self._routed(request)
        if self.cors is None:
            return response
        # API Gateway ignores the CORS headers of the function.
        kept = tuple(each for each in response.headers if not each[0].lower().startswith(PREFIX))
        return HttpResponse(response.status, kept, response.body).with_headers(self.cors.of_response(request))

    def _routed(self, request: HttpRequest) -> HttpResponse:
        if len(request.body) > MAX_API_BODY:
            return _message(413, "Request Entity Too Large")
        prefix = "" if self.stage == DEFAULT_STAGE else f"/{self.stage}"
        path = request.path
        if prefix and not f"{path}/".startswith(f"{prefix}/"):
            return _message(404, "Not Found")
        found = find_route(self.routes, request.method, path[len(prefix) :] or "/")
        if found is None:
            return _message(404, "Not Found")
        route, parameters = found
        context = RequestContext(
            *(self.account, self.api_id, self.domain, route.key, self.stage),
            path_parameters=parameters,
            stage_variables=self.stage_variables,
        )
        result = self.invoke(route.function, event_of(request, context, str(uuid.uuid4())))
        return _API_RESPONSES.of(result, f"{self.path} {route.key}", self.warn)


@dataclass(frozen=True)
class _Responses:
    """The responses of a kind of endpoint to the results of invocations.

    `media_type` is the default Content-Type, `fault` the response to a result that is none, and to errors except
    `failures`, by their type.
    """

    media_type: str
    fault: HttpResponse
    failures: Mapping[str, HttpResponse]

    def of(self, result: InvocationResult, place: str, warn: Callable[[str], None]) -> HttpResponse:
        """Return the response to a result; `place` names the endpoint in a warning."""
        if result.failed:
            return self.failures.get(result.error_type or "", self.fault)
        try:
            return response_of(result.payload, self.media_type)
        except MalformedResponseError as error:
            warn(f"{place}: the result is no HTTP response: {error}")
            return self.fault


def _message(status: int, message: str) -> HttpResponse:
    return json_response(status, {"message": message})


_URL_RESPONSES = _Responses(
    "application/json",
    HttpResponse(502, (("content-type", "text/plain"),), b"Internal Server Error"),
    {
        _THROTTLED: json_response(429, {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}),
        EVENT_TOO_LARGE: json_response(413, {"Message": "Request Entity Too Large"}),
    },
)
_API_RESPONSES = _Responses(
    "text/plain;charset=utf-8",
    _message(500, "Internal Server Error"),
    {
        _THROTTLED: _message(503, "Service Unavailable"),
        EVENT_TOO_LARGE: _message(413, "Request Entity Too Large"),
    },
)
