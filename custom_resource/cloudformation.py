"""The custom resource protocol: read a request, answer it at the URL it brings.

CloudFormation waits for the answer for up to an hour and takes none for a failure only then, so an answer
goes out on every path. An answer may be 4,096 bytes long. Source: AWS CloudFormation user guide, "Custom
resource request and response objects".
"""

from __future__ import annotations

import bisect
import http.client
import ipaddress
import json
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blocks_runtime.shared.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_logger = logging.getLogger("custom_resource")

LIMIT = 4096
"""Bytes of an answer that CloudFormation reads."""

INVOCATION = "BlocksInvocation"
"""Key that an event carries which a function passed on to itself: how many invocations came before."""

PATIENCE = 15.0
"""Seconds in which an answer is tried to be delivered; less than the function keeps for it."""

_BACKOFF = Backoff(base=0.5, cap=5.0)
_TIMEOUT = 5.0
_TAIL = 400
"""Characters at the end of a reason that are kept."""

_CUT = "… (the rest is in the function's log)"


@dataclass(frozen=True, slots=True)
class Request:
    """What CloudFormation asks for: `type` is Create, Update or Delete.

    `invocation` counts the invocations that worked on it before this one.
    """

    type: str
    url: str
    stack: str
    request: str
    resource: str
    physical_id: str
    properties: Mapping[str, object]
    invocation: int = 0

    @classmethod
    def of(cls, event: Mapping[str, object], kind: str = "migrations") -> Request:
        """Return the request that an event carries; `kind` says what of a database the resource is.

        The physical id never changes in the life of a resource: a changed one would make CloudFormation
        delete the "old" resource after an update.
        """
        properties = event.get("ResourceProperties")
        known = properties if isinstance(properties, dict) else {}
        return cls(
            type=str(event["RequestType"]),
            url=str(event["ResponseURL"]),
            stack=str(event["StackId"]),
            request=str(event["RequestId"]),
            resource=str(event["LogicalResourceId"]),
            physical_id=str(event.get("PhysicalResourceId") or f"{known.get('Database', 'database')}/{kind}"),
            properties=known,
            invocation=int(str(event.get(INVOCATION, 0))),
        )

    def succeeded(self, data: Mapping[str, str], reason: str = "") -> bytes:
        """Return the answer that all went well; `data` is what `Fn::GetAtt` finds."""
        return self._answer("SUCCESS", reason, data)

    def failed(self, reason: str) -> bytes:
        """Return the answer that it did not go well; `reason` is shown in the stack's events."""
        return self._answer("FAILED", reason, {})

    def _answer(self, status: str, reason: str, data: Mapping[str, str]) -> bytes:
        """Return the answer; one that is too long loses its longest data, then of its reason."""
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


def _shorten(reason: str, size: Callable[[str], int]) -> str:
    """Return a text that fits: the longest line loses its end, or the whole text its middle if that is not enough.

    The longest line is what the server said; what comes before and after it are the place and the way out.
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


def send(url: str, answer: bytes, within: float = math.inf) -> None:
    """PUT the answer, again and again for `PATIENCE` seconds if need be, or `within` fewer; once at least.

    Raises:
        ValueError: the URL is not HTTPS (plain HTTP is good for this machine only).
        OSError: the answer could not be delivered; Lambda then runs the same event again, twice.
    """
    attempt, until = 1, time.monotonic() + min(PATIENCE, within)
    while True:
        try:
            return _put(url, answer, min(_TIMEOUT, max(until - time.monotonic(), 0.1)))
        except (OSError, http.client.HTTPException) as error:
            _logger.warning("answer not delivered (attempt %d): %s", attempt, error)
            wait = _BACKOFF.wait(attempt)
            if time.monotonic() + wait >= until:
                raise OSError(
                    f"CloudFormation could not be answered in {attempt} attempts: {error}"
                ) from error
        time.sleep(wait)
        attempt += 1


def _put(url: str, answer: bytes, timeout: float) -> None:
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout)
    try:
        # The URL was signed without a content type, so none may be sent.
        connection.request("PUT", f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}", body=answer)
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
    raise ValueError(f"response URL is {scheme}://{host}, which is neither HTTPS nor this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
