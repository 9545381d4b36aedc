"""Server for responses of custom resources, in place of CloudFormation's pre-signed URLs."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from blocks_cli.json_value import Json, mapping, parse
from blocks_cli.lambda_.http_server import RequestHandler, Server

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 4096
"""Maximum bytes of a response object (CloudFormation user guide, custom resource response objects)."""

LIFETIME = 7200
"""Seconds that a URL is valid, as CloudFormation signs it."""


class ResponseServer(Server):
    """Accepts one PUT per issued URL."""

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[dict[str, Json]], None]] = {}
        super().__init__(_ResponseHandler)

    def url(self, receive: Callable[[dict[str, Json]], None]) -> str:
        """Return a new URL; `receive` is called in another thread with the object that is PUT there.

        Like CloudFormation's, the URL has the time of the request: `X-Amz-Date`, in whole seconds.
        """
        token = secrets.token_urlsafe(24)
        self.waiting[token] = receive
        signed = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return f"http://{self.address}/{token}?X-Amz-Date={signed}&X-Amz-Expires={LIFETIME}"


class _ResponseHandler(RequestHandler):
    server: ResponseServer

    def do_PUT(self) -> None:  # noqa: N802 - name required by http.server
        body = self.body()
        receive = self.server.waiting.pop(self.path.partition("?")[0].lstrip("/"), None)
        if receive is None:
            return self.reply(403, b"this URL was used before, or never issued")
        receive(_read(body))
        return self.reply(200)


def _read(body: bytes) -> dict[str, Json]:
    if len(body) > LIMIT:
        return {"Status": "FAILED", "Reason": f"response object is too long: {len(body)} bytes of {LIMIT}"}
    try:
        return mapping(parse(body))
    except ValueError as error:
        return {"Status": "FAILED", "Reason": f"response object is not JSON: {error}"}
