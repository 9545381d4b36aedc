"""The certificates of one local cluster on disk, renewed before they expire."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.storage.files import write_atomically, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ALPN = "postgresql"
"""Protocol name of direct TLS (PostgreSQL documentation, "SSL session encryption")."""

AUTHORITY_MARGIN = dt.timedelta(days=400)
"""The authority is renewed while it still outlives a new server certificate."""
SERVER_MARGIN = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CertificateStore:
    """Files of the authority and of the server certificate.

    `authority_file` is for clients and world-readable; `folder` contains the private keys.
    """

    folder: Path
    authority_file: Path
    identifier: str

    @property
    def server_certificate(self) -> Path:
        """PEM file of the server certificate."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """PEM file of the server's private key."""
        return self.folder / "server.key"

    @property
    def _authority_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def _validity(self) -> Path:
        return self.folder / "validity.json"

    def ensure(self, names: Iterable[str], now: dt.datetime | None = None) -> bool:
        """Create or renew certificates that are missing, damaged, near expiry, or lack a name or address of `names`.

        Valid certificates are not parsed: expiry, names and digests are stored beside them. Returns whether the server
        certificate was renewed.

        Raises:
            OSError: the folder cannot be written.
        """
        now = now or dt.datetime.now(dt.UTC)
        known = self._read_validity()
        digests = self._digests()
        if not known.authority_lasts(now) or digests[:2] != known.digests[:2]:
            known = self._renew_authority(now)
        wanted = tuple(dict.fromkeys((*known.names, *names)))
        missing = set(wanted) - set(known.names)
        renewed = bool(missing) or not known.server_lasts(now) or digests[2:] != known.digests[2:]
        if renewed:
            self._renew_server(known, wanted, now)
        return renewed

    def context(self) -> ssl.SSLContext:
        """Return a server context: TLS 1.2 or later, ALPN `postgresql`, no session tickets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([ALPN])
        context.num_tickets = 0  # libpq never resumes a TLS session
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load the current server certificate into `context`, for the next handshakes."""
        context.load_cert_chain(self.server_certificate, self.server_key)

    def _renew_authority(self, now: dt.datetime) -> _Validity:
        from local_dsql.tls.certificates import AUTHORITY_LIFETIME, make_authority

        self._validity.unlink(missing_ok=True)  # after an interruption both certificates are created again
        pair = make_authority(self.identifier, now)
        write_private(self._authority_key, pair.key.decode())
        write_atomically(self.authority_file, pair.certificate, mode=0o644)
        return _Validity(authority_end=now + AUTHORITY_LIFETIME)

    def _renew_server(self, known: _Validity, names: tuple[str, ...], now: dt.datetime) -> None:
        from local_dsql.tls.certificates import SERVER_LIFETIME, KeyPair, make_server_certificate

        authority = KeyPair(self.authority_file.read_bytes(), self._authority_key.read_bytes())
        pair = make_server_certificate(authority, names, now)
        write_private(self.server_key, pair.key.decode())
        write_atomically(self.server_certificate, pair.certificate, mode=0o644)
        validity = _Validity(known.authority_end, now + SERVER_LIFETIME, names, self._digests())
        write_private(self._validity, validity.to_json())

    def _digests(self) -> tuple[str, ...]:
        """Return the digests of all files; a missing one has none."""
        files = (self.authority_file, self._authority_key, self.server_certificate, self.server_key)
        return tuple(hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "" for file in files)

    def _read_validity(self) -> _Validity:
        try:
            return _Validity.from_json(self._validity.read_text())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return _Validity()  # unreadable: both certificates are created again


_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class _Validity:
    """Expiry of both certificates, and the names in the server certificate."""

    authority_end: dt.datetime = _NEVER
    server_end: dt.datetime = _NEVER
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    def authority_lasts(self, now: dt.datetime) -> bool:
        return now < _before(self.authority_end, AUTHORITY_MARGIN)

    def server_lasts(self, now: dt.datetime) -> bool:
        return now < _before(self.server_end, SERVER_MARGIN)

    def to_json(self) -> str:
        ends = {"authority_end": self.authority_end.isoformat(), "server_end": self.server_end.isoformat()}
        return json.dumps(ends | {"names": self.names, "digests": self.digests}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> _Validity:
        record = json.loads(text)
        ends = [dt.datetime.fromisoformat(record[key]) for key in ("authority_end", "server_end")]
        return cls(ends[0], ends[1], tuple(record["names"]), tuple(record["digests"]))


def _before(moment: dt.datetime, margin: dt.timedelta) -> dt.datetime:
    return _NEVER if moment == _NEVER else moment - margin
