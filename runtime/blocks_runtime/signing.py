"""Login tokens for Aurora DSQL: a presigned request by Signature Version 4, made with the standard library.

A token is the URL of a `GET /?Action=DbConnect` without its scheme, signed for the service `dsql`. It is
arithmetic on the credentials, no call to AWS, so a new one is made for each connection. The bytes equal those
of boto3's `generate_db_connect_auth_token` (tested over a table).

Source: AWS user guide, "Authentication and authorization for Aurora DSQL" and the Signature Version 4
reference.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from .contract import ADMIN_ROLE

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable

LIFETIME = 900
"""Seconds a token is good for, as with the AWS SDKs; it is checked only when a connection is opened."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "dsql"
_EMPTY_PAYLOAD = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What AWS calls an access key, with the session token of temporary ones; `repr` hides the secrets."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def token(
    host: str,
    region: str,
    role: str,
    credentials: Credentials,
    *,
    lifetime: int = LIFETIME,
    at: float | None = None,
) -> str:
    """Return the password with which `role` logs in to `host` (no port) in `region`.

    The role `admin` needs the action DbConnectAdmin, every other one DbConnect. `lifetime` is in seconds,
    604,800 at most; `at` is the time of signing in seconds since the epoch, by default now.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{stamp[:8]}/{region}/{_SERVICE}/aws4_request"
    query = {
        "Action": "DbConnectAdmin" if role == ADMIN_ROLE else "DbConnect",
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(lifetime),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        query["X-Amz-Security-Token"] = credentials.session_token
    signature = _signature(host, query, credentials.secret_access_key, stamp, scope)
    return f"{host}/?{_encode(query.items())}&X-Amz-Signature={signature}"


def _signature(host: str, query: dict[str, str], secret: str, stamp: str, scope: str) -> str:
    canonical = f"GET\n/\n{_encode(sorted(query.items()))}\nhost:{host}\n\nhost\n{_EMPTY_PAYLOAD}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()


def _encode(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in pairs)
