"""The function URLs and HTTP APIs of a deployment, and the servers for them."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import (
    FUNCTION_URL,
    HTTP_API,
    HTTP_INTEGRATION,
    HTTP_ROUTE,
    HTTP_STAGE,
)
from blocks_cli.errors import CommandError
from blocks_cli.http.cors import Cors
from blocks_cli.http.endpoint import FunctionUrl, HttpApi
from blocks_cli.http.message import HttpResponse
from blocks_cli.http.payload import DEFAULT_ROUTE, DEFAULT_STAGE
from blocks_cli.http.routes import Route
from blocks_cli.http.server import EndpointServer
from blocks_cli.json_value import Json, mapping, text
from blocks_cli.lambda_.result import InvocationResult, error_response
from blocks_cli.local.resources.http import URL, free_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blocks_cli.http.endpoint import Endpoint
    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource, StackState

INVOKE_URL = "lambda:InvokeFunctionUrl"
_CALLER = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")
_ARN = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d+:function:[\w-]+")
_LAMBDA = "AWS_PROXY"
_OPEN = {"", "NONE"}


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint with its URL: `kind` is `url` or `api`, `path` the construct path of the function or the API."""

    kind: str
    path: str
    region: str
    url: str


class HttpEndpoints:
    """The servers of a deployment's endpoints."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._servers: dict[str, EndpointServer] = {}

    def update(self) -> list[Served]:
        """Serve the endpoints that are deployed now, and no others; return them.

        An endpoint whose port is taken gets another one, and so do all references to its URL.
        """
        for resource in [*_endpoints(self._account)]:
            if resource.local[URL] not in self._servers:
                self._start(resource)
        found = {served.url: (served, endpoint) for served, endpoint in self._wanted()}
        for url in [url for url in self._servers if url not in found]:
            self._servers.pop(url).close()
        for url, (_, endpoint) in found.items():
            self._servers[url].endpoint = endpoint
        return [served for served, _ in found.values()]

    def close(self) -> None:
        """Stop all servers."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def _start(self, resource: DeployedResource) -> None:
        url = resource.local[URL]
        try:
            server = EndpointServer(_NotReady(), int(url.rpartition(":")[2]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            server = EndpointServer(_NotReady(), int(free_url(self._account).rpartition(":")[2]))
            self._account.note(f"{resource.path}: another program uses {url}; it is now at {server.url}")
            self._move(url, server.url)
        self._servers[server.url] = server

    def _move(self, old: str, new: str) -> None:
        for state in [*self._account.states.values()]:
            self._account.save(state.renamed({old: new}))
        for resource in self._account.resources():
            if new in str(resource.properties.get("Environment")):
                self._account.deploy_function(resource)

    def _wanted(self) -> Iterator[tuple[Served, Endpoint]]:
        for state in self._account.states.values():
            for resource in state.resources.values():
                if URL not in resource.local:
                    continue
                url = resource.local[URL]
                if resource.type == FUNCTION_URL:
                    path = _function_path(resource, self._account)
                    yield Served("url", path, state.region, url), self._function_url(resource, path)
                else:
                    yield Served("api", resource.path, state.region, url), self._api(resource, state)

    def _function_url(self, resource: DeployedResource, path: str) -> FunctionUrl:
        arn = text(resource.attributes["FunctionArn"])
        domain = f"{resource.logical_id.lower()}.lambda-url.{arn.split(':')[3]}.on.aws"

        def may(authorization: str) -> bool:
            caller = _CALLER.match(authorization)
            return caller is not None and self._account.may(caller[1], INVOKE_URL, arn)

        is_open = text(resource.properties.get("AuthType")) in _OPEN
        cors = Cors.of(resource.properties.get("Cors"))
        warn = self._account.report.note
        return FunctionUrl(path, arn, domain, self._invoke, warn, cors, None if is_open else may)

    def _api(self, api: DeployedResource, state: StackState) -> HttpApi:
        parts = [r for r in self._account.resources() if r.properties.get("ApiId") == api.physical_id]
        stages = [each for each in parts if each.type == HTTP_STAGE]
        stage = next(
            (each for each in stages if each.physical_id == DEFAULT_STAGE), stages[0] if stages else None
        )
        return HttpApi(
            path=api.path,
            api_id=api.physical_id,
            account=state.account,
            domain=f"{api.physical_id}.execute-api.{state.region}.amazonaws.com",
            routes=tuple(self._routes(api, parts)),
            invoke=self._invoke,
            warn=self._account.report.note,
            stage=stage.physical_id if stage else DEFAULT_STAGE,
            stage_variables=mapping(stage.properties.get("StageVariables")) if stage else {},
            cors=Cors.of(api.properties.get("CorsConfiguration")),
        )

    def _routes(self, api: DeployedResource, parts: list[DeployedResource]) -> Iterator[Route]:
        if target := _ARN.search(text(api.properties.get("Target"))):
            yield Route(text(api.properties.get("RouteKey")) or DEFAULT_ROUTE, target[0])
        integrations = {each.physical_id: each for each in parts if each.type == HTTP_INTEGRATION}
        for route in (each for each in parts if each.type == HTTP_ROUTE):
            key = text(route.properties.get("RouteKey"))
            integration = integrations.get(text(route.properties.get("Target")).rpartition("/")[2])
            function = self._function_of(integration.properties) if integration else None
            if function is None:
                self._account.note(
                    f"{api.path}: the route {key} has no integration that is available locally"
                )
                continue
            if text(route.properties.get("AuthorizationType")) not in _OPEN:
                self._account.note(
                    f"{api.path}: the authorizer of {key} is not available locally; all may call it"
                )
            yield Route(key, function)

    def _function_of(self, integration: Mapping[str, Json]) -> str | None:
        """Return the ARN of the function that an integration invokes with payload format 2.0, or None."""
        if text(integration.get("IntegrationType")) != _LAMBDA:
            return None
        if text(integration.get("PayloadFormatVersion")) != "2.0":
            return None
        arn = _ARN.search(text(integration.get("IntegrationUri")))
        return self._account.find_function(arn[0]) if arn else None

    def _invoke(self, arn: str, event: Json) -> InvocationResult:
        try:
            return self._account.functions.invoke(arn, event)
        except CommandError as error:  # it is not written in Python, or was removed
            self._account.report.note(f"{error.what}: {error.why}")
            return error_response("ResourceNotFoundException", error.what).result("", "", 0.0, cold=False)


class _NotReady:
    """The endpoint of a server that has just started."""

    def respond(self, request: object) -> HttpResponse:
        """Return 503."""
        del request
        return HttpResponse(503)


def _endpoints(account: LocalAccount) -> Iterator[DeployedResource]:
    return (
        each for each in account.resources() if each.type in (FUNCTION_URL, HTTP_API) and URL in each.local
    )


def _function_path(url: DeployedResource, account: LocalAccount) -> str:
    arn = url.attributes["FunctionArn"]
    return next((each.path for each in account.resources() if each.attributes.get("Arn") == arn), url.path)


def urls_of_apis(account: LocalAccount) -> dict[str, str]:
    """Return the local URLs of HTTP APIs by their ids."""
    return {each.physical_id: each.local[URL] for each in _endpoints(account) if each.type == HTTP_API}
