"""Signature Version 4 of a request in its headers, with the standard library alone.

The headers equal those of botocore (tested over a table), which takes a large part of a cold start to import.
"""

from __future__ import annotations

import time
from hashlib import sha256

from ..signing import ALGORITHM, scope_of, signature

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from ..signing import Credentials

_SERVICE = "dynamodb"

CONTENT_TYPE = "application/x-amz-json-1.0"
"""Content type of requests and responses (AWS developer guide, "DynamoDB low-level API")."""


def signed_headers(
    host: str,
    region: str,
    target: str,
    body: bytes,
    credentials: Credentials,
    *,
    path: str = "/",
    at: float | None = None,
) -> dict[str, str]:
    """Return the headers of a POST request to DynamoDB.

    Args:
        host: value of the header `host`, with the port if it is not that of the scheme.
        region: Region to sign for.
        target: version and name of the operation, as in `DynamoDB_20120810.GetItem`.
        body: body of the request.
        credentials: key to sign with.
        path: path of the endpoint.
        at: time of signing in seconds since the epoch; by default now.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {"content-type": CONTENT_TYPE, "host": host, "x-amz-date": stamp}
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    headers["x-amz-target"] = target
    names = ";".join(headers)  # in alphabetical order
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n{path}\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
    scope = scope_of(stamp, region, _SERVICE)
    signed = signature(canonical, credentials.secret_access_key, stamp, scope)
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signed}"
    )
    return headers
