"""HTTP endpoint with the Invoke operation of the Lambda API, for functions that invoke functions."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
import uuid
from typing import TYPE_CHECKING

from blocks_cli.json_value import parse
from blocks_cli.lambda_.http_server import RequestHandler, Server
from blocks_cli.lambda_.limits import EVENT_TOO_LARGE, MAX_EVENT, event_too_large

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.service import LambdaService

_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_CALLER = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")


class LambdaEndpoint(Server):
    """Serves Invoke on the loopback interface; `url` is the value for `AWS_ENDPOINT_URL_LAMBDA`.

    `find` returns the ARN of a deployed function by name, partial or full ARN. `may` returns whether the owner of an
    access key may invoke a function. The signature is not verified, because only this machine can send requests.
    """

    def __init__(
        self, service: LambdaService, find: Callable[[str], str | None], may: Callable[[str, str], bool]
    ) -> None:
        self.service = service
        self.find = find
        self.may = may
        super().__init__(_InvokeHandler)

    @property
    def url(self) -> str:
        """Base URL of the endpoint."""
        return f"http://{self.address}"


class _InvokeHandler(RequestHandler):
    server: LambdaEndpoint

    def do_POST(self) -> None:  # noqa: N802 - name required by http.server
        payload = self.body()
        path = urllib.parse.unquote(self.path.partition("?")[0])
        if not (match := _INVOKE.fullmatch(path)):
            return self._refuse(404, "UnknownOperationException", "only Invoke is served locally")
        if (arn := self.server.find(match[1])) is None:
            return self._refuse(404, "ResourceNotFoundException", f"Function not found: {match[1]}")
        caller = _CALLER.match(self.headers.get("Authorization", ""))
        if not (caller and self.server.may(caller[1], arn)):
            message = f"not authorized to perform: lambda:InvokeFunction on resource: {arn}"
            return self._refuse(403, "AccessDeniedException", message)
        return self._invoke(arn, payload)

    def _invoke(self, arn: str, payload: bytes) -> None:
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "DryRun":
            return self.reply(204)
        if kind not in MAX_EVENT:
            return self._refuse(400, "InvalidParameterValueException", f"there is no invocation type {kind}")
        if len(payload) > MAX_EVENT[kind]:
            return self._refuse(413, EVENT_TOO_LARGE, event_too_large(kind))
        try:
            event = parse(payload or b"null")
        except ValueError as error:
            message = f"Could not parse request body: {error}"
            return self._refuse(400, "InvalidRequestContentException", message)
        if kind == "Event":
            self.server.service.start(arn, event)
            return self.reply(202, headers={"x-amzn-RequestId": str(uuid.uuid4())})
        return self._answer(arn, event)

    def _answer(self, arn: str, event: Json) -> None:
        result = self.server.service.invoke(arn, event)
        headers = {"x-amzn-RequestId": result.request_id, "X-Amz-Executed-Version": "$LATEST"}
        if result.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(result.log_tail.encode()).decode()
        self.reply(200, json.dumps(result.payload).encode(), headers)

    def _refuse(self, status: int, error: str, message: str) -> None:
        body = json.dumps({"Message": message, "message": message}).encode()
        self.reply(status, body, {"x-amzn-ErrorType": error, "Content-Type": "application/json"})
