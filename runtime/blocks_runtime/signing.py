"""Login tokens for Aurora DSQL: a request presigned by Signature Version 4, with the standard library alone.

A token is the URL of a `GET /?Action=DbConnect` without its scheme, signed for the service `dsql`. Signing calls no
service, so each connection has a new one. The bytes equal those of boto3's `generate_db_connect_auth_token` (tested
over a table). botocore is not used for it, because importing it would be a large part of a cold start (`make bench`).

Source: AWS user guide, "Authentication and authorization for Aurora DSQL" and the Signature Version 4
reference.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import digest

from .contract import ADMIN_ROLE

LIFETIME = 900
"""Seconds that a token is valid, as with the AWS SDKs; it is checked only when a connection is opened."""

ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "dsql"
_EMPTY_PAYLOAD = sha256(b"").hexdigest()
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AWS access key, with the session token of temporary ones; `repr` hides the secrets."""

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
    """Return the password of the database role `role` for `host` (without port) in `region`.

    The role `admin` needs the action DbConnectAdmin, every other one DbConnect. `lifetime` is in seconds,
    604,800 at most; `at` is the time of signing in seconds since the epoch, by default now.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = scope_of(stamp, region, _SERVICE)
    first = (
        f"Action={'DbConnectAdmin' if role == ADMIN_ROLE else 'DbConnect'}&X-Amz-Algorithm={ALGORITHM}"
        f"&X-Amz-Credential={_encoded(f'{credentials.access_key_id}/{scope}')}"
        f"&X-Amz-Date={stamp}&X-Amz-Expires={lifetime}"
    )
    secured = ""
    if credentials.session_token:
        secured = f"&X-Amz-Security-Token={_encoded(credentials.session_token)}"
    signed = "&X-Amz-SignedHeaders=host"
    # The signed text is in alphabetical order; boto3 writes the session token last.
    canonical = f"GET\n/\n{first}{secured}{signed}\nhost:{host}\n\nhost\n{_EMPTY_PAYLOAD}"
    proof = signature(canonical, credentials.secret_access_key, stamp, scope)
    return f"{host}/?{first}{signed}{secured}&X-Amz-Signature={proof}"


def scope_of(stamp: str, region: str, service: str) -> str:
    """Return the scope of a signature made at `stamp`, as in `20261129T120000Z`."""
    return f"{stamp[:8]}/{region}/{service}/aws4_request"


def signature(canonical: str, secret: str, stamp: str, scope: str) -> str:
    """Return the signature of a canonical request, in hexadecimal digits."""
    hashed = sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = digest(key, part.encode(), "sha256")
    return digest(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()


def _encoded(text: str) -> str:
    """Return text percent-encoded (RFC 3986); fast for session tokens, long texts with few special characters."""
    special = set(text) - _UNRESERVED
    if "%" in special:
        special.discard("%")
        text = text.replace("%", "%25")
    for char in special:
        text = text.replace(char, "".join([f"%{byte:02X}" for byte in char.encode()]))
    return text
