"""TLS over bytes: no sockets, so that one listener takes SSLRequest and direct TLS on one port."""

from __future__ import annotations

import contextlib
import ssl
from weakref import WeakKeyDictionary

_names: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()
_CHUNK = 16_384
"""The most that one TLS record holds; a larger buffer is made anew at each read for nothing."""


def remember_server_names(context: ssl.SSLContext) -> None:
    """Let sessions of `context` know the host name that their client asked for (SNI)."""

    def note(session: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            _names[session] = name

    context.sni_callback = note


class TlsSession:
    """The server's end of one TLS connection: encrypted bytes in, plain bytes out, and the reverse."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._established = False

    @property
    def server_name(self) -> str | None:
        """The host name that the client sent, None where it sent none or has not yet."""
        return _names.get(self._session)

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on."""
        return self._session.selected_alpn_protocol()

    def receive(self, data: bytes) -> bytes:
        """Return the plain bytes in what the client sent; `to_send` may hold an answer afterwards.

        Raises:
            ssl.SSLError: the handshake failed, or the bytes are no TLS.
            EOFError: the client closed the TLS connection.
        """
        self._incoming.write(data)
        if not self._established:
            try:
                self._session.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self._established = True
        try:
            plain = self._session.read(_CHUNK)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            plain = b""
        if not plain:
            raise EOFError
        if self._incoming.pending or self._session.pending():
            plain += self._read()
        return plain

    def _read(self) -> bytes:
        """Return the rest of what is there; the end of the connection shows with the next packet."""
        parts = []
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self._session.read(_CHUNK):
                parts.append(part)
                if not self._incoming.pending and not self._session.pending():
                    break  # cheaper than to ask once more and be told to wait
        return b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        """Return `data`, and whatever TLS itself has to say, as bytes for the network."""
        written = self._session.write(data)
        if written < len(data):
            view = memoryview(data)[written:]
            while view:
                view = view[self._session.write(view) :]
        return self._outgoing.read()

    def to_send(self) -> bytes:
        """Return what TLS itself has to say: handshake messages and alerts."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close_notify(self) -> bytes:
        """Return the alert that says that nothing more will come."""
        # The other side's alert is not here yet, or it never shook hands: ours is written all the same.
        with contextlib.suppress(ssl.SSLError):
            self._session.unwrap()
        return self._outgoing.read()
