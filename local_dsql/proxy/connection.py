"""One client's socket: SSLRequest and TLS, the startup message, then frames for a handler."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from dsql_dialect.limits import BYTES_PER_MESSAGE
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader, FrameTooLong
from local_dsql.wire.message_types import FrontendMessage
from local_dsql.wire.tls import TlsSession

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

LARGEST_MESSAGE = BYTES_PER_MESSAGE
"""A longer message closes the connection."""

_TLS_HANDSHAKE = 0x16
_LARGEST_STARTUP_MESSAGE = 10_000
"""Bytes; PostgreSQL's MAX_STARTUP_PACKET_LENGTH."""

_LARGEST_PASSWORD = 65_535
"""Bytes of a message before the login is complete; PostgreSQL's PG_MAX_AUTH_TOKEN_LENGTH."""

_OUTPUT_BUFFER = 8192
"""Bytes; PostgreSQL's PQ_SEND_BUFFER_SIZE."""


class ConnectionHandler(Protocol):
    """Processes the frames of a logged-in client."""

    def try_usual(self, data: bytes) -> bool:
        """Process the bytes if they are one of the most frequent batches; return whether they were."""

    def receive(self, frames: list[Frame]) -> None:
        """Process frames from the client."""

    def pause_output(self) -> None:
        """Stop sending: the client reads too slowly."""

    def resume_output(self) -> None:
        """Resume sending."""

    def connection_lost(self) -> None:
        """Release everything that is held for the client."""


LogIn: TypeAlias = (
    "Callable[[ClientConnection, int, bytes, asyncio.Future[str]], Coroutine[None, None, None]]"
)
"""Log a client in, given the protocol version and the body of its startup message, and its password once received."""


class ClientConnection(asyncio.Protocol):
    """The transport of one client: TLS, startup and frames; a handler processes the messages.

    Like `Backend`, it is no `asyncio.BufferedProtocol`: uvloop reads every packet of the process into one buffer, and
    makes a bytes object of just its size.

    Args:
        tls: server context.
        log_in: logs the client in and calls `attach`, or closes the connection.
        connections: set of all open connections, which this one joins and leaves.
        login_timeout: seconds from connecting to `attach`, after which the connection is closed.
    """

    def __init__(
        self, tls: ssl.SSLContext, log_in: LogIn, connections: set[ClientConnection], login_timeout: float
    ) -> None:
        self._handler: ConnectionHandler | None = None
        self._login_timeout = login_timeout
        self._timer: asyncio.TimerHandle | None = None
        self._tls_context = tls
        self._log_in = log_in
        self._connections = connections
        self._tls: TlsSession | None = None
        self._gss_refused = False
        self._transport: asyncio.Transport | None = None
        self._startup = b""
        self._reader = FrameReader(_LARGEST_PASSWORD)
        self._too_long: ServerMessage | None = errors.INVALID_MESSAGE_LENGTH
        self._login: asyncio.Task[None] | None = None
        self._password: asyncio.Future[str] | None = None
        self._closing = False
        self._buffer: bytes | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._login_timeout, self._time_out)

    def data_received(self, data: bytes) -> None:
        """Decrypt, cut into frames, pass to the handler."""
        if self._closing:
            return
        tls = self._tls
        if tls is not None:
            try:
                data = tls.receive(data)
            except (ssl.SSLError, EOFError):
                self.close()
                return
            if tls.outgoing.pending and self._transport is not None:
                self._transport.write(tls.outgoing.read())
        handler = self._handler
        if handler is not None and not self._reader.rest and handler.try_usual(data):
            return
        if not data:
            return
        if handler is None and self._password is None:
            self._startup += data
            self._read_startup()
        else:
            self._read_frames(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Release everything that is held for the client."""
        self._closing = True
        self._connections.discard(self)
        self._cancel_timer()
        if self._password is not None and not self._password.done():
            self._password.cancel()  # which cancels the login that waits for it
        if self._handler is not None:
            self._handler.connection_lost()

    def pause_writing(self) -> None:
        """Pause the handler: the client reads more slowly than PostgreSQL answers."""
        if self._handler is not None:
            self._handler.pause_output()

    def resume_writing(self) -> None:
        """Resume the handler."""
        if self._handler is not None:
            self._handler.resume_output()

    @property
    def server_name(self) -> str | None:
        """The host name that the client asked for in the TLS handshake."""
        return None if self._tls is None else self._tls.server_name

    @property
    def closing(self) -> bool:
        """True if the connection is closed or about to be."""
        return self._closing

    # output

    def send(self, data: bytes) -> None:
        """Send bytes to the client, or buffer them after `buffer_output`."""
        if self._buffer is not None:
            data = self._buffer + data
            self._buffer = b""
            if len(data) < _OUTPUT_BUFFER:
                self._buffer = data
                return
        if data and not self._closing and self._transport is not None:
            self._transport.write(data if self._tls is None else self._tls.encrypt(data))

    def buffer_output(self) -> None:
        """Buffer what is sent from here on until `flush`, as PostgreSQL does."""
        self._buffer = b""

    def flush(self, *, keep_buffering: bool = False) -> None:
        """Send the buffered bytes; continue to buffer if `keep_buffering`."""
        buffered, self._buffer = self._buffer or b"", None
        self.send(buffered)
        if keep_buffering:
            self._buffer = b""

    def pause_reading(self) -> None:
        """Stop reading from the client."""
        if self._transport is not None and not self._closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading from the client."""
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    def close(self, last: ServerMessage | None = None) -> None:
        """Send what is buffered and `last`, end TLS, and close the connection."""
        if self._closing or self._transport is None:
            return
        self.flush()
        if last is not None:
            self.send(last.encode())
        if self._tls is not None:
            self._transport.write(self._tls.close_notify())
        self._closing = True
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection without a message, as a failing network does."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # startup

    def _read_startup(self) -> None:
        """Process SSLRequest, GSSENCRequest, CancelRequest, direct TLS and the startup message."""
        while self._startup and self._password is None and not self._closing:
            if self._tls is None and self._startup[0] == _TLS_HANDSHAKE:
                self._begin_tls()
                return
            message = self._next_startup_message()
            if message is None:
                return
            self.process_startup(*message)
        if self._password is not None and self._startup:  # sent together with the startup message
            data, self._startup = self._startup, b""
            self._read_frames(data)

    def _next_startup_message(self) -> tuple[int, bytes] | None:
        """Return the code and the body of the next message without a type byte, None if it is not complete."""
        if len(self._startup) < 8:
            return None
        length, code = int.from_bytes(self._startup[:4], "big"), int.from_bytes(self._startup[4:8], "big")
        if not 8 <= length <= _LARGEST_STARTUP_MESSAGE:
            self.close(errors.INVALID_STARTUP_LENGTH)
            return None
        if len(self._startup) < length:
            return None
        body, self._startup = self._startup[8:length], self._startup[length:]
        return code, body

    def process_startup(self, code: int, body: bytes) -> None:
        """Process a message without a type byte; `code` is that of a request, or the protocol version."""
        if code == messages.SSL_REQUEST and self._tls is None:
            self.send(messages.ENCRYPTION_ACCEPTED)
            self._begin_tls()
        elif code == messages.GSS_REQUEST and self._tls is None and not self._gss_refused:
            self._gss_refused = True  # PostgreSQL answers it once, too
            self.send(messages.ENCRYPTION_REFUSED)
        elif code == messages.CANCEL_REQUEST:
            self.close()  # accepted and ignored, as DSQL does
        elif code >> 16 != messages.PROTOCOL_3 >> 16:
            self.close(errors.unsupported_protocol(code))
        elif self._tls is None:
            self.close(errors.PLAIN_TEXT)
        else:
            self.begin_login(code, body)

    def _begin_tls(self) -> None:
        self._tls = TlsSession(self._tls_context)
        data, self._startup = self._startup, b""
        if data:
            self.data_received(data)

    def begin_login(self, version: int, body: bytes) -> None:
        """Start the login with the protocol version and the body of the startup message."""
        loop = asyncio.get_running_loop()
        self._password = loop.create_future()
        self._login = loop.create_task(self._log_in(self, version, body, self._password))
        self._login.add_done_callback(self._logged_in)

    def attach(self, handler: ConnectionHandler, too_long: ServerMessage | None) -> None:
        """Pass frames to `handler` from here on: the client is logged in; `too_long` answers a too long message."""
        self._handler = handler
        self._too_long = too_long
        self._reader.limit = LARGEST_MESSAGE
        self._cancel_timer()

    def _time_out(self) -> None:
        """Close a connection that has not logged in; before the startup message without an error, as PostgreSQL."""
        if self._password is None:
            self.abort()
        else:
            self.close(errors.LOGIN_TIMEOUT)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _logged_in(self, task: asyncio.Task[None]) -> None:
        self._login = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.close(errors.internal(error))

    def _read_frames(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except FrameTooLong:
            self.close(self._too_long)
            return
        if self._handler is not None:
            self._handler.receive(frames)
            return
        assert self._password is not None
        for kind, raw in frames:
            if kind == FrontendMessage.PASSWORD and not self._password.done():
                self._password.set_result(raw[BODY:-1].decode(errors="replace"))
            elif kind == FrontendMessage.TERMINATE:
                self.close()
            else:
                self._password.cancel()
                self.close(errors.PASSWORD_EXPECTED)
