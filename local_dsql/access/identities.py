"""The local IAM principals with their credentials, stored in one private file."""

from __future__ import annotations

import json
import re
import secrets
import string
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from blocks_runtime.signing import Credentials
from local_dsql.access.permissions import Effect, Permission
from local_dsql.errors import FolderError
from local_dsql.storage.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(?P<type>role|user)/[\w+=,.@/-]+", re.ASCII)
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """An IAM role or user: ARN, credentials, permissions."""

    arn: str
    credentials: Credentials
    permissions: tuple[Permission, ...]


class IdentityStore:
    """Identities by ARN and by access key. A change is on disk when the call returns."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._by_arn = {identity.arn: identity for identity in _read(file)}
        self._index()

    def find(self, access_key_id: str) -> Identity | None:
        """Return the identity with this access key, or None."""
        return self._by_key.get(access_key_id)

    def all(self) -> tuple[Identity, ...]:
        """Return all identities."""
        return tuple(self._by_arn.values())

    def register(
        self, arn: str, permissions: Sequence[Permission], credentials: Credentials | None = None
    ) -> Identity:
        """Add a principal, or replace its permissions; its credentials stay the same unless some are given.

        Args:
            arn: IAM role or user, such as `arn:aws:iam::000000000000:role/app`; any partition.
            permissions: all its permissions, allowed and denied.
            credentials: credentials of the principal in another cluster. Default: its own, or random ones.

        Raises:
            ValueError: `arn` is not the ARN of a role or user; that of a role session is not.
        """
        if not (match := _PRINCIPAL.fullmatch(arn)):
            raise ValueError(
                f"{arn!r} is not the ARN of an IAM role or user; "
                "write it like arn:aws:iam::000000000000:role/app (the ARN of the role, not of a session)"
            )
        known = self._by_arn.get(arn)
        if credentials is None:
            credentials = known.credentials if known else _new_credentials(temporary=match["type"] == "role")
        identity = Identity(arn, credentials, tuple(permissions))
        if identity != known:
            self._by_arn[arn] = identity
            self._index()
            _write(self._file, self._by_arn.values())
        return identity

    def _index(self) -> None:
        self._by_key = {identity.credentials.access_key_id: identity for identity in self._by_arn.values()}


def _new_credentials(*, temporary: bool) -> Credentials:
    """Return random credentials in IAM's form: `ASIA…` with a session token, or `AKIA…` without."""
    letters = string.ascii_uppercase + string.digits
    suffix = "".join(secrets.choice(letters) for _ in range(16))
    secret = secrets.token_urlsafe(30)
    if temporary:
        return Credentials(f"ASIA{suffix}", secret, secrets.token_urlsafe(60))
    return Credentials(f"AKIA{suffix}", secret)


def _write(file: Path, identities: Iterable[Identity]) -> None:
    rows = [
        {
            "arn": identity.arn,
            "credentials": asdict(identity.credentials),
            "permissions": [asdict(p) | {"effect": p.effect.value} for p in identity.permissions],
        }
        for identity in identities
    ]
    write_private(file, json.dumps({"format": _FORMAT, "identities": rows}, indent=1))


def _read(file: Path) -> list[Identity]:
    if not file.exists():
        return []
    try:
        rows = json.loads(file.read_text())["identities"]
        return [
            Identity(
                row["arn"],
                Credentials(**row["credentials"]),
                tuple(Permission(**p | {"effect": Effect(p["effect"])}) for p in row["permissions"]),
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(
            f"cannot read the local identities in {file}",
            f"the file is damaged ({type(error).__name__})",
            "remove the file; the next start creates new identities with new keys",
        ) from None


def credential_variables(credentials: Credentials) -> dict[str, str]:
    """Return the environment variables from which AWS SDKs and the runtime read the credentials."""
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token or "",
    }
