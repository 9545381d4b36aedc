"""Function URLs and HTTP APIs: each has a loopback port, which `blocks dev` serves."""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING

from blocks_cli.json_value import text
from blocks_cli.local.resources.handler import PassiveHandler, ResourceRequest, ResourceResult
from blocks_cli.local.resources.simple import placeholder

if TYPE_CHECKING:
    from blocks_cli.local.account import LocalAccount

URL = "url"
"""Key in `DeployedResource.local`: the URL, without a path."""

_ID_LENGTH = 10


class FunctionUrlHandler(PassiveHandler):
    """`AWS::Lambda::Url`."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Assign a port."""
        arn = account.find_function(text(request.properties.get("TargetFunctionArn"))) or ""
        if text(request.properties.get("InvokeMode")) == "RESPONSE_STREAM":
            account.note(f"{request.path}: RESPONSE_STREAM is not available locally; responses are buffered")
        url = _url(request, account)
        return ResourceResult(arn, {"FunctionArn": arn, "FunctionUrl": f"{url}/"}, {URL: url})


class HttpApiHandler(PassiveHandler):
    """`AWS::ApiGatewayV2::Api`."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Assign a port; a WebSocket API gets a placeholder."""
        if (protocol := text(request.properties.get("ProtocolType"))) != "HTTP":
            account.note(f"{request.path}: a {protocol} API is not available locally; a placeholder is used")
            return placeholder(request)
        digest = hashlib.sha256(f"{request.stack}/{request.logical_id}".encode()).hexdigest()
        url, api_id = _url(request, account), digest[:_ID_LENGTH]
        return ResourceResult(api_id, {"ApiId": api_id, "ApiEndpoint": url}, {URL: url})


def free_url(account: LocalAccount) -> str:
    """Return the URL of a free port that no other endpoint of the deployment has."""
    taken = {resource.local.get(URL) for resource in account.existing()}
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        if url not in taken:
            return url


def _url(request: ResourceRequest, account: LocalAccount) -> str:
    known = request.previous.local.get(URL) if request.previous else None
    return known or free_url(account)
