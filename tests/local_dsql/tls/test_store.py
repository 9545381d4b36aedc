"""Certificates: full verification by clients, private keys, renewal before expiry."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING

import pytest

from local_dsql.tls import CertificateStore
from local_dsql.tls.certificates import AUTHORITY_LIFETIME, SERVER_LIFETIME

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["localhost", "127.0.0.1", "::1", "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"]
NOW = dt.datetime.now(dt.UTC)


def make_store(folder: Path) -> CertificateStore:
    (folder / "tls").mkdir(mode=0o700, exist_ok=True)
    return CertificateStore(folder / "tls", folder / "ca.pem", "abcdefghijklmnopqrstuvwxyz")


def content(store: CertificateStore) -> tuple[bytes, bytes]:
    return store.authority_file.read_bytes(), store.server_certificate.read_bytes()


def handshake(store: CertificateStore, name: str, *, authority: Path | None = None) -> ssl.SSLObject:
    """Run a TLS handshake in memory; the client verifies certificate and host name, as with `verify-full`."""
    client_context = ssl.create_default_context(cafile=authority or store.authority_file)
    client_context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    client_context.set_alpn_protocols(["postgresql"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = store.context().wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client


@pytest.mark.parametrize("name", NAMES)
def test_every_name_verifies(tmp_path: Path, name: str) -> None:
    store = make_store(tmp_path)
    store.ensure(NAMES)
    assert handshake(store, name).selected_alpn_protocol() == "postgresql"


def test_other_names_and_authorities_do_not_verify(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    store, other = make_store(tmp_path / "a"), make_store(tmp_path / "b")
    store.ensure(NAMES)
    other.ensure(NAMES)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(store, "example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(store, "localhost", authority=other.authority_file)


def test_keys_are_private(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.ensure(NAMES)
    modes = {file.name: file.stat().st_mode & 0o777 for file in store.folder.iterdir()}
    assert modes == {"ca.key": 0o600, "server.key": 0o600, "server.pem": 0o644, "validity.json": 0o600}
    assert store.authority_file.stat().st_mode & 0o777 == 0o644


DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("later", "authority_kept", "server_kept"),
    [
        pytest.param(DAY, True, True, id="fresh"),
        pytest.param(SERVER_LIFETIME - 31 * DAY, True, True, id="a-month-left"),
        pytest.param(SERVER_LIFETIME - 29 * DAY, True, False, id="less-than-a-month-left"),
        pytest.param(AUTHORITY_LIFETIME - 399 * DAY, False, False, id="authority-near-its-end"),
        pytest.param(2 * AUTHORITY_LIFETIME, False, False, id="everything-over"),
    ],
)
def test_renewal(tmp_path: Path, later: dt.timedelta, authority_kept: bool, server_kept: bool) -> None:
    store = make_store(tmp_path)
    store.ensure(NAMES, NOW)
    authority, server = content(store)
    store.ensure(NAMES, NOW + later)
    assert [content(store)[0] == authority, content(store)[1] == server] == [authority_kept, server_kept]


def test_a_new_name_keeps_the_old_ones_and_the_authority(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.ensure(NAMES[:3])
    authority, server = content(store)
    store.ensure(NAMES[3:])
    assert content(store)[0] == authority
    assert content(store)[1] != server
    for name in NAMES:
        handshake(store, name)


@pytest.mark.parametrize("lost", ["ca.key", "server.key", "server.pem", "validity.json", "../ca.pem"])
def test_a_missing_file_is_created_again(tmp_path: Path, lost: str) -> None:
    store = make_store(tmp_path)
    store.ensure(NAMES)
    (store.folder / lost).unlink()
    store.ensure(NAMES)
    handshake(store, "localhost")
