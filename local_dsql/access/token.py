"""Parser of login tokens: presigned URLs without the scheme."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from local_dsql.access.errors import AccessDenied
from local_dsql.access.signature import ALGORITHM, TERMINATOR, TIMESTAMP_FORMAT, CredentialScope

MAX_LIFETIME = 604_800
"""Seconds, one week (AWS user guide, authentication token)."""

MAX_LENGTH = 16_384
"""Maximum length in characters; a real token has 400, or 1,500 with a session token."""

_REQUIRED = (
    "Action",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed login token; `parameters` are the signed query parameters, without the signature."""

    host: str
    action: str
    access_key_id: str
    scope: CredentialScope
    signed_at: dt.datetime
    lifetime: dt.timedelta
    parameters: dict[str, str] = field(repr=False)
    signature: str = field(repr=False)

    @property
    def session_token(self) -> str | None:
        """The session token of temporary credentials, None for long-lived keys."""
        return self.parameters.get("X-Amz-Security-Token")

    @property
    def expires_at(self) -> dt.datetime:
        """Time of expiry; from then on the token is refused."""
        return self.signed_at + self.lifetime


def read_token(text: str) -> Token:
    """Parse a token; nothing is verified yet.

    Raises:
        AccessDenied: `text` is not a presigned URL of Signature Version 4.
    """
    host, parameters = _split(text)
    if missing := [name for name in _REQUIRED if name not in parameters]:
        raise AccessDenied(f"The password is not an authentication token: {', '.join(missing)} missing.")
    _expect(parameters, "X-Amz-Algorithm", ALGORITHM)
    _expect(parameters, "X-Amz-SignedHeaders", "host")
    access_key_id, scope = _credential(parameters["X-Amz-Credential"])
    signature = parameters.pop("X-Amz-Signature")
    return Token(
        host=host,
        action=parameters["Action"],
        access_key_id=access_key_id,
        scope=scope,
        signed_at=_moment(parameters["X-Amz-Date"]),
        lifetime=_lifetime(parameters["X-Amz-Expires"]),
        parameters=parameters,
        signature=signature,
    )


def _split(text: str) -> tuple[str, dict[str, str]]:
    host, separator, query = text.removeprefix("https://").partition("/?")
    if not separator or len(text) > MAX_LENGTH or not text.isascii():
        raise AccessDenied("The password is not an authentication token.")
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise AccessDenied("The authentication token has a duplicate parameter.")
    return host.lower(), parameters


def _expect(parameters: dict[str, str], name: str, value: str) -> None:
    if parameters[name] != value:
        raise AccessDenied(f"The authentication token must have {name}={value}.")


def _credential(text: str) -> tuple[str, CredentialScope]:
    match text.split("/"):
        case [access_key_id, date, region, service, terminator] if terminator == TERMINATOR:
            return access_key_id, CredentialScope(date, region, service)
    raise AccessDenied(f"X-Amz-Credential must be <access key id>/<date>/<region>/dsql/{TERMINATOR}.")


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(text, TIMESTAMP_FORMAT).replace(tzinfo=dt.UTC)
    except ValueError:
        raise AccessDenied("X-Amz-Date must be like 20260917T101500Z.") from None


def _lifetime(text: str) -> dt.timedelta:
    if text.isdecimal() and 1 <= int(text) <= MAX_LIFETIME:
        return dt.timedelta(seconds=int(text))
    if text.isdecimal() and int(text) > MAX_LIFETIME:
        raise AccessDenied("X-Amz-Expires must be less than a week (in seconds)")
    raise AccessDenied(f"X-Amz-Expires must be between 1 and {MAX_LIFETIME} seconds.")
