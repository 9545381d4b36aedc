"""Short passwords, for clients that cut a token of 400 characters. Aurora DSQL has nothing like them.

A short password has the right of a token for one role, cluster and Region, and an expiry of its own. It is derived from
the secret key of its identity, so nothing is stored, and the server checks it as it checks a signature.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.access.errors import AccessDenied
from local_dsql.access.token import MAX_LIFETIME

if TYPE_CHECKING:
    from blocks_runtime.signing import Credentials

PREFIX = "dsql-"
_HOUR = 3600
_PROOF = 24
"""Characters of base32, five bits each."""


@dataclass(frozen=True, slots=True)
class ShortPassword:
    """A parsed short password: the hour since the epoch in which it expires, and its proof."""

    expires: int
    proof: str

    def matches(self, credentials: Credentials, *, cluster: str, region: str, role: str) -> bool:
        """Return whether it was made of these credentials, for this cluster, Region and role."""
        expected = _proof(credentials, cluster, region, role, self.expires)
        return hmac.compare_digest(self.proof.encode(), expected.encode())

    def expired(self, now: float) -> bool:
        """Return whether it is no longer valid at `now`, or valid for longer than a token may be."""
        return not now < self.expires * _HOUR <= now + MAX_LIFETIME + _HOUR


def make_short_password(
    credentials: Credentials,
    *,
    cluster: str,
    region: str,
    role: str,
    now: float,
    lifetime: int = MAX_LIFETIME,
) -> str:
    """Return a password of 35 characters, valid for `lifetime` seconds, to the full hour.

    Args:
        credentials: those of the IAM role or user.
        cluster: identifier of the cluster.
        region: Region of the endpoint.
        role: database role.
        now: seconds since the epoch.
        lifetime: seconds, a week at most.
    """
    expires = int((now + lifetime) // _HOUR)
    return f"{PREFIX}{expires:x}-{_proof(credentials, cluster, region, role, expires)}"


def read_short_password(text: str) -> ShortPassword:
    """Parse a short password; nothing is verified yet.

    Raises:
        AccessDenied: the text has another form.
    """
    hours, _, proof = text.removeprefix(PREFIX).partition("-")
    try:
        return ShortPassword(int(hours, 16), proof)
    except ValueError:
        raise AccessDenied("The password is not an authentication token.") from None


def _proof(credentials: Credentials, cluster: str, region: str, role: str, expires: int) -> str:
    message = "\n".join(("short password", cluster, region, role, str(expires)))
    digest = hmac.digest(credentials.secret_access_key.encode(), message.encode(), "sha256")
    return base64.b32encode(digest).decode().lower()[:_PROOF]
