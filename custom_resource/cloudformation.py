"""Custom resource protocol of CloudFormation: requests, and responses to the URL in them.

CloudFormation waits up to an hour for a response, so one is sent on every path. It may be 4,096 bytes long. crhelper
is not used: it needs permissions on EventBridge rules to continue a request, and polls in fixed intervals. Source:
AWS CloudFormation user guide, "Custom resource request and response objects".
"""

from __future__ import annotations

import bisect
import calendar
import http.client
import ipaddress
import json
import logging
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from blocks_runtime.shared.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_logger = logging.getLogger("custom_resource")

LIMIT = 4096
"""Bytes of a response that CloudFormation accepts."""

INVOCATION = "BlocksInvocation"
"""Key of an event that a function passed to itself: the number of earlier invocations."""

PATIENCE = 15.0
"""Seconds for which the delivery of a response is retried; less than the margin before the invocation's end."""

_BACKOFF = Backoff(base=0.5, cap=5.0)
_TIMEOUT = 5.0
_TAIL = 400
"""Characters at the end of a reason that are kept."""

_CUT = "… (the rest is in the function's log)"


@dataclass(frozen=True, slots=True)
class Request:
    """A request of CloudFormation: `type` is Create, Update or Delete.

    `physical_id` is the id that the response has, `event_id` that of the event, None on Create. `old_properties` are
    the properties before an Update. `invocation` is the number of earlier invocations for it.
    """

    type: str
    url: str
    stack: str
    request: str
    resource: str
    physical_id: str
    properties: Mapping[str, object]
    invocation: int = 0
    event_id: str | None = None
    old_properties: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, event: Mapping[str, object], kind: str = "migrations") -> Request:
        """Return the request of an event; `kind` is the last part of the physical id that Create is answered with.

        Later requests are answered with the id of their event: after an Update with another one CloudFormation deletes
        the resource of the old id.
        """
        known, old = (_mapping(event.get(name)) for name in ("ResourceProperties", "OldResourceProperties"))
        given = str(event["PhysicalResourceId"]) if event.get("PhysicalResourceId") else None
        return cls(
            type=str(event["RequestType"]),
            url=str(event["ResponseURL"]),
            stack=str(event["StackId"]),
            request=str(event["RequestId"]),
            resource=str(event["LogicalResourceId"]),
            physical_id=given or f"{known.get('Database', 'database')}/{kind}",
            properties=known,
            invocation=int(str(event.get(INVOCATION, 0))),
            event_id=given,
            old_properties=old,
        )

    @property
    def signed_at(self) -> int:
        """Time at which CloudFormation signed the response URL, in seconds since the epoch; 0 if the URL has none.

        Source: AWS Signature Version 4, query parameter `X-Amz-Date`.
        """
        dates = parse_qs(urlsplit(self.url).query).get("X-Amz-Date", [])
        try:
            return calendar.timegm(time.strptime(dates[0], "%Y%m%dT%H%M%SZ")) if dates else 0
        except ValueError:
            return 0

    def answered_as(self, physical_id: str) -> Request:
        """Return the request whose response has this physical id."""
        return replace(self, physical_id=physical_id)

    def succeeded(self, data: Mapping[str, str], reason: str = "") -> bytes:
        """Return the response of success; `data` are the attributes for `Fn::GetAtt`."""
        return self._response("SUCCESS", reason, data)

    def failed(self, reason: str) -> bytes:
        """Return the response of failure; `reason` is shown in the stack's events."""
        return self._response("FAILED", reason, {})

    def _response(self, status: str, reason: str, data: Mapping[str, str]) -> bytes:
        """Return the response; one that is too long loses its longest data, then part of its reason."""
        while len(self._document(status, reason, data)) > LIMIT and data:
            longest = max(data, key=lambda name: len(data[name]))
            data = {name: value for name, value in data.items() if name != longest}

        def size(text: str) -> int:
            return len(self._document(status, text, data))

        return self._document(status, reason if size(reason) <= LIMIT else _shorten(reason, size), data)

    def _document(self, status: str, reason: str, data: Mapping[str, str]) -> bytes:
        document = {
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": self.physical_id,
            "StackId": self.stack,
            "RequestId": self.request,
            "LogicalResourceId": self.resource,
            "Data": data,
        }
        return json.dumps(document, ensure_ascii=False).encode()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _shorten(reason: str, size: Callable[[str], int]) -> str:
    """Return a text that fits: the longest line is truncated, or else the middle of the text is cut.

    The longest line is the server's message; the lines before and after it are the place and the remedy.
    """
    before, line, after = _around_longest_line(reason)
    if size(before + _CUT + after) > LIMIT:
        before, line, after = "", reason[:-_TAIL], reason[-_TAIL:]
    fitting = bisect.bisect_right(
        range(len(line)), LIMIT, key=lambda kept: size(before + line[:kept] + _CUT + after)
    )
    return before + line[: max(fitting - 1, 0)] + _CUT + after


def _around_longest_line(text: str) -> tuple[str, str, str]:
    lines = text.split("\n")
    at = max(range(len(lines)), key=lambda number: len(lines[number]))
    return (
        "".join(f"{line}\n" for line in lines[:at]),
        lines[at],
        "".join(f"\n{line}" for line in lines[at + 1 :]),
    )


def send(url: str, body: bytes, within: float = math.inf) -> None:
    """PUT the response, with retries for `PATIENCE` seconds or `within`, whichever is shorter; at least once.

    Raises:
        ValueError: the URL is not HTTPS (plain HTTP is accepted for loopback only).
        OSError: the response could not be delivered; Lambda then runs the same event again, up to twice.
    """
    attempt, until = 1, time.monotonic() + min(PATIENCE, within)
    while True:
        try:
            return _put(url, body, min(_TIMEOUT, max(until - time.monotonic(), 0.1)))
        except (OSError, http.client.HTTPException) as error:
            _logger.warning("response not delivered (attempt %d): %s", attempt, error)
            wait = _BACKOFF.wait(attempt)
            if time.monotonic() + wait >= until:
                raise OSError(
                    f"the response could not be delivered to CloudFormation in {attempt} attempts: {error}"
                ) from error
        time.sleep(wait)
        attempt += 1


def _put(url: str, body: bytes, timeout: float) -> None:
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout)
    try:
        # The URL was signed without a content type, so the request must not have one.
        connection.request("PUT", f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}", body=body)
        response = connection.getresponse()
        response.read()
        if response.status >= 300:
            raise OSError(f"HTTP {response.status} {response.reason}")
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout)
    if scheme == "http" and _is_loopback(host):
        return http.client.HTTPConnection(host, port, timeout=timeout)
    raise ValueError(f"response URL is {scheme}://{host}, which is neither HTTPS nor loopback")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
