"""TLS over bytes instead of sockets, so that one port accepts both SSLRequest and direct TLS."""

from __future__ import annotations

import contextlib
import ssl
from weakref import WeakKeyDictionary

_names: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()
_CHUNK = 16_384
"""Largest TLS record; a larger buffer would only be allocated at each read without use."""
_LONGEST_WRITE = 1 << 30
"""Bytes that are encrypted at once; OpenSSL counts them, and what it has made of them, in 31 bits."""


def remember_server_names(context: ssl.SSLContext) -> None:
    """Record the host name (SNI) that the client of each session of `context` asks for."""

    def note(session: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            _names[session] = name

    context.sni_callback = note


class TlsSession:
    """The server side of one TLS connection: decrypt what is received, encrypt what is sent."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        """Messages of TLS itself for the network: handshake and alerts."""
        self._session = context.wrap_bio(self._incoming, self.outgoing, server_side=True)
        self._established = False

    @property
    def server_name(self) -> str | None:
        """The host name that the client sent; None if it sent none, or has not sent it yet."""
        return _names.get(self._session)

    def receive(self, data: bytes) -> bytes:
        """Return the plain bytes in what the client sent; `outgoing` may have an answer afterwards.

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
            plain = self._session.read(len(data))
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            plain = b""
        if not plain:
            raise EOFError
        if self._incoming.pending or len(plain) == len(data):
            plain += self._read()
        return plain

    def _read(self) -> bytes:
        """Return the remaining plain bytes; an end of the connection is found with the next packet."""
        parts = []
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self._session.read(_CHUNK):
                parts.append(part)
                if not self._incoming.pending and not self._session.pending():
                    break  # cheaper than another read that raises SSLWantReadError
        return b"".join(parts)

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """Return `data`, and pending TLS messages, as bytes for the network."""
        if len(data) > _LONGEST_WRITE:
            view = memoryview(data)
            parts = range(0, len(data), _LONGEST_WRITE)
            return b"".join([self.encrypt(view[at : at + _LONGEST_WRITE]) for at in parts])
        written = self._session.write(data)
        if written < len(data):
            view = memoryview(data)[written:]
            while view:
                view = view[self._session.write(view) :]
        return self.outgoing.read()

    def close_notify(self) -> bytes:
        """Return the alert that ends the TLS connection."""
        # Raised because the client's alert has not arrived, or there was no handshake; our alert is written anyway.
        with contextlib.suppress(ssl.SSLError):
            self._session.unwrap()
        return self.outgoing.read()
