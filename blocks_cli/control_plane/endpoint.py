"""HTTP endpoint of the control plane on the loopback interface, with the protocol of the API (REST, JSON)."""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import TYPE_CHECKING

from blocks_cli.control_plane.authorization import required_permissions
from blocks_cli.control_plane.cluster import ClusterId
from blocks_cli.control_plane.errors import ApiError, denied, validation
from blocks_cli.json_value import Json, mapping, parse
from blocks_cli.lambda_.http_server import RequestHandler, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_cli.control_plane.states import ControlPlane

_PATH = re.compile(r"/cluster(?:/([a-z0-9]{26}))?")
# The signature's credential scope names the Region of the request.
_CALLER = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([a-z0-9-]+)/dsql/aws4_request")
_OPERATIONS = {
    ("POST", False): "CreateCluster",
    ("GET", True): "GetCluster",
    ("POST", True): "UpdateCluster",
    ("DELETE", True): "DeleteCluster",
}


class ControlPlaneEndpoint(Server):
    """Serves a control plane; `url` is the value for `AWS_ENDPOINT_URL_DSQL`.

    `may(access_key_id, action, arn, witness)` returns whether the owner of an access key may perform an action. The
    signature is not verified, because only this machine can send requests.
    """

    def __init__(
        self, plane: ControlPlane, may: Callable[[str, str, str, str | None], bool] = lambda *_: True
    ) -> None:
        self.plane = plane
        self.may = may
        super().__init__(_ApiHandler)

    @property
    def url(self) -> str:
        """Base URL of the endpoint."""
        return f"http://{self.address}"

    def perform(
        self, operation: str, region: str, identifier: str | None, request: dict[str, Json]
    ) -> dict[str, object]:
        """Perform an operation, without checking permissions.

        Raises:
            ApiError: the operation failed.
        """
        if identifier is None:
            return self.plane.create(region, request)
        match operation:
            case "GetCluster":
                return self.plane.get(region, identifier)
            case "UpdateCluster":
                return self.plane.update(region, identifier, request)
            case _:
                return self.plane.delete(region, identifier)

    def authorize(
        self, caller: str, operation: str, region: str, identifier: str | None, request: dict[str, Json]
    ) -> None:
        """Check the permissions of the caller.

        Raises:
            ApiError: a permission is missing.
        """
        id = ClusterId(region, identifier or "*", self.plane.account)
        known = self.plane.clusters.get((region, identifier or ""))
        current = known.peers if known else frozenset[str]()
        witness = mapping(request.get("multiRegionProperties")).get("witnessRegion")
        for action, arn in required_permissions(operation, id, current, request):
            if not self.may(caller, action, arn, str(witness) if witness else None):
                raise denied(action, arn)


class _ApiHandler(RequestHandler):
    server: ControlPlaneEndpoint

    def do_GET(self) -> None:  # noqa: N802 - name required by http.server
        self._serve()

    def do_POST(self) -> None:  # noqa: N802
        self._serve()

    def do_DELETE(self) -> None:  # noqa: N802
        self._serve()

    def _serve(self) -> None:
        try:
            answer = self._answer(self.body())
        except ApiError as error:
            headers = {"x-amzn-ErrorType": error.name, "Content-Type": "application/json"}
            return self.reply(error.status, json.dumps(error.body).encode(), headers)
        return self.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _answer(self, body: bytes) -> dict[str, object]:
        path = urllib.parse.urlsplit(self.path).path
        match = _PATH.fullmatch(path)
        operation = _OPERATIONS.get((self.command, bool(match and match[1])))
        if match is None or operation is None:
            raise validation(f"{self.command} {path} is not served locally", "unknownOperation")
        signed = _CALLER.match(self.headers.get("Authorization", ""))
        if signed is None:
            raise denied(f"dsql:{operation}", path)
        try:
            request = mapping(parse(body or b"{}"))
        except ValueError as error:
            raise validation(f"the body is not JSON: {error}", "cannotParse") from None
        self.server.authorize(signed[1], operation, signed[2], match[1], request)
        return self.server.perform(operation, signed[2], match[1], request)
