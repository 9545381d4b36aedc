"""Encryption of answers: short ones, and ones longer than OpenSSL takes at once."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest

from local_dsql.tls import CertificateStore
from local_dsql.wire import tls

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 100_000


class Client:
    """The client's side of a TLS connection to a session of the proxy, in memory."""

    def __init__(self, store: CertificateStore) -> None:
        self.server = tls.TlsSession(store.context())
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=store.authority_file)
        context.set_alpn_protocols(["postgresql"])
        self._session = context.wrap_bio(self._received, self._sent, server_hostname="localhost")
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._session.do_handshake()
            if sent := self._sent.read():
                assert not self.server.receive(sent)
            self._received.write(self.server.outgoing.read())

    def receive(self, encrypted: bytes, size: int) -> bytes:
        """Return the plain bytes, `size` at most."""
        self._received.write(encrypted)
        plain = b""
        while len(plain) < size:
            plain += self._session.read(size - len(plain))
        return plain


@pytest.fixture
def client(tmp_path: Path) -> Client:
    (tmp_path / "tls").mkdir()
    store = CertificateStore(tmp_path / "tls", tmp_path / "ca.pem", "abcdefghijklmnopqrstuvwxyz")
    store.ensure(["localhost"])
    return Client(store)


@pytest.mark.parametrize("size", [1, LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT, 3 * LIMIT + 7])
def test_an_answer_of_any_length(client: Client, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(tls, "_LONGEST_WRITE", LIMIT)
    answer = bytes(range(251)) * (size // 251 + 1)
    for _ in range(2):
        encrypted = client.server.encrypt(answer[:size])
        assert size < len(encrypted) < size * 1.1 + 100
        assert client.receive(encrypted, size) == answer[:size]
