"""Signing login tokens for the local cluster."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from local_dsql.access.signature import ALGORITHM, TIMESTAMP_FORMAT, Scope, encode_query, sign
from local_dsql.access.token import MAX_LIFETIME

if TYPE_CHECKING:
    from local_dsql.access.identities import Credentials

DEFAULT_LIFETIME = 900


def sign_token(
    credentials: Credentials,
    *,
    host: str,
    region: str,
    action: str,
    lifetime: int = DEFAULT_LIFETIME,
    now: dt.datetime | None = None,
) -> str:
    """Return a login token: the presigned URL of `action` without its scheme.

    Args:
        credentials: keys to sign with.
        host: endpoint that the token is for, with `:port` where it has one.
        region: Region of that endpoint.
        action: `DbConnectAdmin` for the role `admin`, `DbConnect` for every other.
        lifetime: seconds, 1 to 604,800; the default is that of the AWS SDKs.
        now: moment of signing, with a time zone; the default is the clock.

    Raises:
        ValueError: `lifetime` is out of range.
    """
    if not 1 <= lifetime <= MAX_LIFETIME:
        raise ValueError(f"token lifetime must be 1 to {MAX_LIFETIME} seconds, not {lifetime}")
    timestamp = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime(TIMESTAMP_FORMAT)
    scope = Scope(timestamp[:8], region)
    parameters = {
        "Action": action,
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(lifetime),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token is not None:
        parameters["X-Amz-Security-Token"] = credentials.session_token
    signature = sign(credentials.secret_access_key, scope, host, parameters)
    return f"{host}/?{encode_query(parameters)}&X-Amz-Signature={signature}"
