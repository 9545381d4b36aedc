"""AWS Signature Version 4 of a presigned `GET /`, as the verifier computes it.

Independent of `blocks_runtime.signing`, which makes the tokens: a mistake in one of the two fails every login.

Source: IAM user guide, "AWS Signature Version 4 for API requests", query-string form with an empty payload.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "dsql"
TERMINATOR = "aws4_request"
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
EMPTY_PAYLOAD = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """The credential scope of a signature: one day (`YYYYMMDD`), one Region, one service."""

    date: str
    region: str
    service: str = SERVICE

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


def _encode_query(parameters: Mapping[str, str]) -> str:
    """Return the parameters as a query string in the given order, percent-encoded by AWS's rules."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in parameters.items())


def sign(secret: str, scope: CredentialScope, host: str, parameters: Mapping[str, str]) -> str:
    """Return the hexadecimal signature of `GET https://<host>/?<parameters>` with `host` as the only signed header.

    `parameters` are all query parameters except `X-Amz-Signature`; `X-Amz-Date` is required.
    """
    query = "&".join(sorted(_encode_query({name: value}) for name, value in parameters.items()))
    request = f"GET\n/\n{query}\nhost:{host}\n\nhost\n{EMPTY_PAYLOAD}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{parameters['X-Amz-Date']}\n{scope}\n{digest}"
    return _hmac(_signing_key(secret, scope), to_sign).hex()


def _signing_key(secret: str, scope: CredentialScope) -> bytes:
    parts = (scope.date, scope.region, scope.service, TERMINATOR)
    return functools.reduce(_hmac, parts, f"AWS4{secret}".encode())


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
