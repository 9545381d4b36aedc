"""One connection to PostgreSQL over its unix socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from local_dsql.wire import messages
from local_dsql.wire.collector import Collector
from local_dsql.wire.end_finder import EndFinder
from local_dsql.wire.error_context import without_internal_context
from local_dsql.wire.fifo_lock import FifoLock
from local_dsql.wire.frames import BODY
from local_dsql.wire.gathered_output import GatheredOutput
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import BackendError, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


_LONGEST_KNOWN = 512
"""Bytes of a response that is recognized; longer ones have rows, and differ."""
_MOST_KNOWN = 256
"""Number of responses that a connection recognizes."""


def _itself(response: bytes) -> bytes:
    return response


def _nothing() -> None:
    """Do nothing."""


class ConnectionLost(Exception):
    """The connection to PostgreSQL is closed."""


class Backend(asyncio.Protocol):
    """A backend connection, used by the holder of its `lock`.

    `request` sends bytes and collects whole responses; `relay` passes a response on as it arrives and calls back at
    its end; `exchange` calls back with a whole response.
    """

    def __init__(self) -> None:
        self.lock = FifoLock()
        self.pid = 0
        self.parameters: dict[str, str] = {}
        """Each ParameterStatus received with collected responses: value by name."""
        self.progressed = False
        """True if a part of the current response has arrived; its reader may reset it."""
        self.encoding = "UTF8"
        """The last reported client_encoding."""
        self.on_lost: Callable[[], None] = lambda: None
        self.on_async_message: Callable[[bytes], None] = lambda _: None
        self._collector = Collector()
        self._end = EndFinder(without_internal_context)
        self._end_of_exchange = EndFinder()
        self._rows = GatheredOutput()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._at_end: Callable[[EndFinder], None] = lambda _: None
        self._at_loss: Callable[[], None] = _nothing
        self._exchanged: Callable[[bytes, bool], None] | None = None
        self._parts: list[bytes] = []
        self._identify: Callable[[bytes], bytes] = _itself
        self._known: set[bytes] = set()
        self._lost = False
        self._draining = False

    @classmethod
    async def connect(cls, socket_directory: Path, port: int, parameters: Mapping[str, str]) -> Backend:
        """Return a connection that is ready for queries.

        Raises:
            BackendError: PostgreSQL refused the connection.
            OSError: no server listens on the socket.
        """
        loop = asyncio.get_running_loop()
        path = str(socket_directory / f".s.PGSQL.{port}")
        _, backend = await loop.create_unix_connection(cls, path)
        try:
            (response,) = await backend.request(messages.startup(parameters))
        except ConnectionLost:
            last = backend._collector.unfinished
            raise BackendError(last.error or {"C": "08006", "M": "connection lost"}) from None
        (key,) = (raw for kind, raw in response.frames if kind == BackendMessage.BACKEND_KEY_DATA)
        backend.pid = int.from_bytes(key[BODY : BODY + 4], "big")
        return backend

    def _learn(self, reported: list[bytes]) -> None:
        for raw in reported:
            name, value, _ = raw[BODY:].split(b"\0")
            self.parameters[name.decode()] = value.decode()
            if name == b"client_encoding":
                self.encoding = value.decode()
        reported.clear()

    async def request(self, data: bytes, responses: int = 1, *, bulk: bool = False) -> list[Response]:
        """Send bytes and return the responses up to the given number of ReadyForQuery.

        Args:
            data: messages.
            responses: number of ReadyForQuery that they cause.
            bulk: the last response is for a client: if it has many rows they are not cut into frames.

        Raises:
            ConnectionLost: the connection is lost.
        """
        return await self._collect(data, responses, bulk=bulk)

    async def request_until(self, data: bytes, stop: bytes) -> Response:
        """Return the response up to ReadyForQuery or a frame of a type in `stop` (then its status is empty)."""
        (response,) = await self._collect(data, stop=stop)
        return response

    async def _collect(
        self, data: bytes, wanted: int = 1, *, stop: bytes = b"", bulk: bool = False
    ) -> list[Response]:
        if self._lost or self._transport is None:
            raise ConnectionLost
        self.progressed = False
        self._collector.begin(wanted, stop=stop, bulk=bulk)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        await self._waiter
        return self._collector.responses

    def replace_errors(self, replace: Callable[[bytes], bytes]) -> None:
        """Pass each ErrorResponse that is relayed through a function."""
        self._end = EndFinder(lambda frame: without_internal_context(replace(frame)))

    async def rows(self, sql: str) -> list[list[str | None]]:
        """Run statements of the proxy and return all rows.

        Raises:
            BackendError: a statement failed.
        """
        (response,) = await self.request(messages.query(sql))
        return response.rows()

    async def exclusive_rows(self, sql: str) -> list[list[str | None]]:
        """Acquire the lock, run statements of the proxy and return all rows.

        Raises:
            BackendError: a statement failed.
        """
        async with self.lock:
            return await self.rows(sql)

    def relay(
        self,
        data: bytes,
        sink: Callable[[bytes], None],
        at_end: Callable[[EndFinder], None],
        at_loss: Callable[[], None] = _nothing,
    ) -> None:
        """Send bytes, pass the response to `sink` as it arrives, and call `at_end` after ReadyForQuery.

        `at_loss` is called in its place if the connection is lost before.

        Raises:
            ConnectionLost: the connection is lost.
        """
        if self._lost or self._transport is None:
            raise ConnectionLost
        self.progressed = False
        self._end.begin(data)
        self._sink, self._at_end, self._at_loss = sink, at_end, at_loss
        self._transport.write(data)

    def exchange(
        self,
        data: bytes,
        at_end: Callable[[bytes, bool], None],
        identify: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Send bytes that cause one ReadyForQuery; call `at_end` with the whole response, and whether it has an error.

        Nothing is replaced in it: the engine must see PostgreSQL's own errors, those of locks among them.

        Most responses are the same bytes as an earlier one. These are recognized without a look at their messages.

        Args:
            data: messages.
            at_end: called after ReadyForQuery.
            identify: returns the part of a response that makes it a whole one: another response with that part is
                whole, too. The default is all of it.

        Raises:
            ConnectionLost: the connection is lost.
        """
        if self._lost or self._transport is None:
            raise ConnectionLost
        self.progressed = False
        self._exchanged, self._identify = at_end, identify or _itself
        self._transport.write(data)

    def _receive_exchanged(self, at_end: Callable[[bytes, bool], None], data: bytes) -> None:
        parts, end = self._parts, self._end_of_exchange
        if not parts:
            if len(data) < _LONGEST_KNOWN and self._identify(data) in self._known:
                self._exchanged, self._draining = None, False
                at_end(data, False)
                return
            end.begin(b"")  # other messages follow the statement: a probe would come after these
        parts.append(end.feed(data))
        if not end.status:
            return
        self._exchanged, self._draining, self._parts = None, False, []
        raw = b"".join(parts)
        if not end.failed and len(raw) < _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(self._identify(raw))
        at_end(raw, end.failed)

    def read_response(self, raw: bytes) -> Response:
        """Return the response in bytes up to ReadyForQuery; note the parameters reported in it."""
        collector = self._collector
        collector.begin(1)
        collector.feed(raw)
        self._learn(collector.reported)
        (response,) = collector.responses
        return response

    def pause_reading(self) -> None:
        """Stop reading because the client reads too slowly; ignored during `drain`."""
        if self._transport is not None and not self._draining:
            self._transport.pause_reading()

    def drain(self) -> None:
        """Read the current response to its end, even if the client reads slowly: the lock is wanted."""
        if self.lock.locked:
            self._draining = True
            self.resume_reading()

    def resume_reading(self) -> None:
        """Resume reading."""
        if self._transport is not None:
            self._transport.resume_reading()

    @property
    def is_gone(self) -> bool:
        """True if the connection is lost or closed."""
        return self._lost or self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Send Terminate and close the connection."""
        if self._transport is not None and not self._lost:
            self._transport.write(messages.TERMINATE)
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Relay or collect."""
        self.progressed = True
        if self._exchanged is not None:
            self._receive_exchanged(self._exchanged, data)
            return
        sink = self._sink
        if sink is not None:
            end = self._end
            piece = end.feed(data)
            if not end.is_long:
                sink(piece)
            else:
                self._rows.add(piece, sink)
            if end.status:
                self._sink, self._draining = None, False
                if end.is_long:
                    self._rows.flush()
                self._at_end(end)
            elif end.probe and self._transport is not None:
                self._transport.write(end.probe)
            return
        collector = self._collector
        for raw in collector.feed(data):
            self.on_async_message(raw)
        if collector.reported:
            self._learn(collector.reported)
        if collector.probe and self._transport is not None:
            self._transport.write(collector.probe)
        if self._waiter is not None and collector.complete:
            self._done()

    def _done(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the pending request and call `on_lost`."""
        self._lost = True
        self._rows.flush()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(ConnectionLost())
            waiter.exception()
        if self._sink is not None:
            self._sink = None
            self._at_loss()
        self.on_lost()
