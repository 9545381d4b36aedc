"""One connection to PostgreSQL over its unix socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from local_dsql.wire import messages
from local_dsql.wire.answer import Answer, BackendError
from local_dsql.wire.collector import Collector
from local_dsql.wire.end_finder import EndFinder
from local_dsql.wire.frames import BODY
from local_dsql.wire.receiver import Receiver
from local_dsql.wire.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class BackendGone(Exception):
    """PostgreSQL closed the connection."""


class Backend(Receiver):
    """A backend connection, used by one party at a time (`turn`).

    Bytes go in with `ask`, which collects whole answers, or with `relay`, which passes an answer on as it comes and
    calls back at its end.
    """

    def __init__(self) -> None:
        self.turn = Turn()
        self.pid = 0
        self.parameters: dict[str, str] = {}
        """What PostgreSQL has reported of its parameters, with answers that were collected."""
        self.encoding = "UTF8"
        """The client_encoding that it has reported last."""
        self.on_lost: Callable[[], None] = lambda: None
        self.on_stray: Callable[[bytes], None] = lambda _: None
        self._collector = Collector()
        self._end = EndFinder()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._at_end: Callable[[EndFinder], None] | None = None
        self._lost = False
        self._hurried = False

    @classmethod
    async def connect(cls, socket_directory: Path, port: int, parameters: Mapping[str, str]) -> Backend:
        """Return a connection that is ready for queries.

        Raises:
            BackendError: PostgreSQL refused, with its words.
            OSError: there is no server at the socket.
        """
        loop = asyncio.get_running_loop()
        path = str(socket_directory / f".s.PGSQL.{port}")
        _, backend = await loop.create_unix_connection(cls, path)
        try:
            (answer,) = await backend.ask(messages.startup(parameters))
        except BackendGone:
            last = backend._collector.unfinished
            raise BackendError(last.error or {"C": "08006", "M": "connection lost"}) from None
        (key,) = (raw for kind, raw in answer.frames if kind == b"K")
        backend.pid = int.from_bytes(key[BODY : BODY + 4], "big")
        return backend

    def _learn(self, reported: list[bytes]) -> None:
        for raw in reported:
            name, value, _ = raw[BODY:].split(b"\0")
            self.parameters[name.decode()] = value.decode()
            if name == b"client_encoding":
                self.encoding = value.decode()
        reported.clear()

    async def ask(self, data: bytes, answers: int = 1, *, bulk: bool = False) -> list[Answer]:
        """Send bytes and return the answers up to the given number of ReadyForQuery.

        Args:
            data: messages.
            answers: how many ReadyForQuery they bring.
            bulk: the last answer is for a client: where it has many rows they are not taken apart.

        Raises:
            BackendGone: the connection is lost.
        """
        return await self._collect(data, answers, bulk=bulk)

    async def ask_until(self, data: bytes, stop: bytes) -> Answer:
        """Send bytes and return the answer up to ReadyForQuery or to a frame of a type in `stop`, its status empty."""
        (answer,) = await self._collect(data, stop=stop)
        return answer

    async def _collect(
        self, data: bytes, wanted: int = 1, *, stop: bytes = b"", bulk: bool = False
    ) -> list[Answer]:
        if self._lost or self._transport is None:
            raise BackendGone
        self._collector.begin(wanted, stop=stop, bulk=bulk)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        await self._waiter
        return self._collector.answers

    async def rows(self, sql: str) -> list[list[str | None]]:
        """Run statements of our own and return all rows.

        Raises:
            BackendError: it failed.
        """
        (answer,) = await self.ask(messages.query(sql))
        return answer.rows()

    async def exclusive_rows(self, sql: str) -> list[list[str | None]]:
        """Run statements of our own when it is our turn, and return all rows.

        Raises:
            BackendError: it failed.
        """
        async with self.turn:
            return await self.rows(sql)

    def write(self, data: bytes) -> None:
        """Send bytes that have no answer of their own, such as COPY data."""
        if self._transport is not None:
            self._transport.write(data)

    def relay(self, data: bytes, sink: Callable[[bytes], None], at_end: Callable[[EndFinder], None]) -> None:
        """Send bytes and pass the answer to `sink` as it comes; call `at_end` when ReadyForQuery has passed."""
        if self._lost or self._transport is None:
            raise BackendGone
        self._end.begin(data)
        self._sink, self._at_end = sink, at_end
        self._transport.write(data)

    def pause(self) -> None:
        """Stop reading, because nobody takes what is read; unless somebody is in a hurry."""
        if self._transport is not None and not self._hurried:
            self._transport.pause_reading()

    def hurry(self) -> None:
        """Read the current answer to its end, however slowly it is taken: somebody waits for our turn to end."""
        if self.turn.taken:
            self._hurried = True
            self.resume()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    @property
    def is_gone(self) -> bool:
        """Whether the connection is lost, or we have left."""
        return self._lost or self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Leave PostgreSQL."""
        if self._transport is not None and not self._lost:
            self._transport.write(messages.frame(b"X"))
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection without a word; PostgreSQL rolls back."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def received(self, data: bytes) -> None:
        """Pass on or collect."""
        if self._sink is not None:
            end = self._end
            self._sink(end.feed(data))
            if end.probe and self._transport is not None:
                self._transport.write(end.probe)
            if end.status:
                at_end, self._sink, self._at_end = self._at_end, None, None
                self._hurried = False
                assert at_end is not None
                at_end(end)
            return
        collector = self._collector
        for stray in collector.feed(data):
            self.on_stray(stray)
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
        """Tell whoever waits, and the owner."""
        self._lost = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(BackendGone())
            waiter.exception()
        self.on_lost()
