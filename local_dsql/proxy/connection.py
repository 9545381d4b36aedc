"""One client's socket: plain bytes, TLS, the handshake, then frames for a session."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from dsql_dialect.limits import BYTES_PER_MESSAGE
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader, FrameTooLong
from local_dsql.wire.messages import ServerMessage
from local_dsql.wire.receiver import Receiver
from local_dsql.wire.tls import TlsSession

if TYPE_CHECKING:
    from local_dsql.proxy.listener import Endpoint
    from local_dsql.proxy.session import Session

LARGEST_MESSAGE = BYTES_PER_MESSAGE
"""A longer message closes the connection."""

_TLS_HANDSHAKE = 0x16
_MOST_STARTUP_BYTES = 10_000
_MOST_GATHERED = 8192  # what PostgreSQL gathers, too


class ClientConnection(Receiver):
    """The transport side of a client; what its messages mean is the session's affair."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.tls: TlsSession | None = None
        self.session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._raw = b""
        self._reader = FrameReader(LARGEST_MESSAGE)
        self._login: asyncio.Task[None] | None = None
        self._password: asyncio.Future[str] | None = None
        self._closing = False
        self._gathered: bytes | None = None

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.endpoint.connections.add(self)

    def received(self, data: bytes) -> None:
        """Decrypt, cut into frames, hand on."""
        if self._closing:
            return
        if self.tls is not None:
            try:
                data = self._decrypt(data)
            except (ssl.SSLError, EOFError):
                self.close()
                return
        session = self.session
        if session is not None and not self._reader.rest and session.pass_prepared(data):
            return
        if not data:
            return
        if session is None and self._password is None:
            self._raw += data
            self._read_startup()
        else:
            self._read_frames(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of everything that was held for the client."""
        self._closing = True
        self.endpoint.connections.discard(self)
        if self._password is not None and not self._password.done():
            self._password.cancel()  # and with it the login, which waits for it
        if self.session is not None:
            self.session.lost()

    def pause_writing(self) -> None:
        """The client reads more slowly than PostgreSQL answers."""
        if self.session is not None:
            self.session.backend.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self.session is not None:
            self.session.backend.resume()

    @property
    def server_name(self) -> str | None:
        """The host name that the client asked for in the TLS handshake."""
        return None if self.tls is None else self.tls.server_name

    @property
    def closing(self) -> bool:
        """Whether nobody will read what is sent from now on."""
        return self._closing

    # for the session

    def send(self, data: bytes) -> None:
        """Send bytes to the client, or gather them."""
        if self._gathered is not None:
            data = self._gathered + data
            self._gathered = b""
            if len(data) < _MOST_GATHERED:
                self._gathered = data
                return
        if data and not self._closing and self._transport is not None:
            self._transport.write(data if self.tls is None else self.tls.encrypt(data))

    def gather(self) -> None:
        """Keep what is sent from here on until `flush`, as PostgreSQL does until an answer is whole."""
        self._gathered = b""

    def flush(self, *, gather: bool = False) -> None:
        """Send what has been gathered; go on gathering where it says so."""
        gathered, self._gathered = self._gathered or b"", None
        self.send(gathered)
        if gather:
            self._gathered = b""

    def pause_reading(self) -> None:
        """Take no more from the client for now."""
        if self._transport is not None and not self._closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the client again."""
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    def close(self, last: ServerMessage | None = None) -> None:
        """Say a last word, end TLS properly, and hang up."""
        if self._closing or self._transport is None:
            return
        self.flush()
        if last is not None:
            self.send(last.encode())
        if self.tls is not None:
            self._transport.write(self.tls.close_notify())
        self._closing = True
        self._transport.close()

    def abort(self) -> None:
        """Hang up without a word, as a failing network does."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # startup

    def _decrypt(self, data: bytes) -> bytes:
        assert self.tls is not None
        assert self._transport is not None
        plain = self.tls.receive(data)
        if answer := self.tls.to_send():
            self._transport.write(answer)
        return plain

    def _read_startup(self) -> None:
        """Handle SSLRequest, GSSENCRequest, CancelRequest, direct TLS and the startup message."""
        if self.tls is None and self._raw[0] == _TLS_HANDSHAKE:
            data, self._raw = self._raw, b""
            self._begin_tls(data)
            return
        if len(self._raw) < 8:
            return
        length, code = int.from_bytes(self._raw[:4], "big"), int.from_bytes(self._raw[4:8], "big")
        if not 8 <= length <= _MOST_STARTUP_BYTES:
            self.close(ServerMessage("08P01", "invalid length of startup packet", severity="FATAL"))
            return
        if len(self._raw) < length:
            return
        body, self._raw = self._raw[8:length], self._raw[length:]
        self._begin(code, body)

    def _begin(self, code: int, body: bytes) -> None:
        if code == messages.SSL_REQUEST and self.tls is None:
            assert self._transport is not None
            self._transport.write(b"S")
            data, self._raw = self._raw, b""
            self._begin_tls(data)
        elif code == messages.GSS_REQUEST and self.tls is None:
            self.send(b"N")
            if self._raw:
                self._read_startup()
        elif code == messages.CANCEL_REQUEST:
            self.close()  # accepted and ignored, as DSQL does
        elif code >> 16 != 3:
            self.close(
                ServerMessage("0A000", f"unsupported frontend protocol {code >> 16}", severity="FATAL")
            )
        elif self.tls is None:
            self.close(errors.PLAIN_TEXT)
        else:
            self._begin_login(body)

    def _begin_tls(self, data: bytes) -> None:
        self.tls = TlsSession(self.endpoint.tls)
        if data:
            self.received(data)

    def _begin_login(self, body: bytes) -> None:
        from local_dsql.proxy.login import log_in

        self._password = asyncio.get_running_loop().create_future()
        self._login = asyncio.get_running_loop().create_task(log_in(self, body, self._password))
        self._login.add_done_callback(self._logged_in)

    def _logged_in(self, task: asyncio.Task[None]) -> None:
        self._login = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.close(ServerMessage("XX000", f"the local database failed: {error}", severity="FATAL"))

    def _read_frames(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except FrameTooLong:
            self.close(ServerMessage("08P01", "invalid message length", severity="FATAL"))
            return
        if self.session is not None:
            self.session.receive(frames)
            return
        assert self._password is not None
        for kind, raw in frames:
            if kind == b"p" and not self._password.done():
                self._password.set_result(raw[5:-1].decode(errors="replace"))
            elif kind == b"X":
                self.close()
            else:
                self._password.cancel()
                self.close(ServerMessage("08P01", "expected password response", severity="FATAL"))
