"""One client session: relay plain reads, pass all other batches to the protocol handler.

Most statements of an application are plain reads. Two callbacks of the event loop relay their bytes to PostgreSQL and
the response to the client, without a task. So do exchanges (`engine.exchanges`) with prepared writes, and with Queries
that write, begin or commit, while nothing unusual happens. Other batches that lock, change or control something are
processed by `QueryProtocol` in a task, and so are all batches while a transaction is in an unusual state.

The dispatcher must know which statement a message refers to, as PostgreSQL does. So each batch goes through
`PreparedStatements` in two steps: *register* records the definitions of its messages before they are sent, and after
the response *keep* makes those valid that PostgreSQL has accepted. *Forget* undoes a registration of a batch that is
not relayed; the protocol handler then registers its messages again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from local_dsql.engine.suspend import give_way
from local_dsql.engine.unblock import begin_watch, end_watch
from local_dsql.parsing.long_texts import TooComplex, is_long
from local_dsql.proxy import errors
from local_dsql.proxy.executor import Executor
from local_dsql.proxy.local_statements import LocalStatements
from local_dsql.proxy.message_checks import check_message
from local_dsql.proxy.message_group import is_in_order
from local_dsql.proxy.message_queue import MessageQueue
from local_dsql.proxy.passthrough import Passthrough
from local_dsql.proxy.prepared_statements import PreparedStatements, parses_unnamed, refers_to_unnamed
from local_dsql.proxy.protocol import QueryProtocol
from local_dsql.proxy.session import ClientSession
from local_dsql.proxy.transaction_control import TransactionControl
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import EXTENDED, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from local_dsql.engine.exchanges import Exchange
    from local_dsql.engine.session import HeldSession
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.proxy.server_context import ServerContext
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.end_finder import EndFinder
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_WHOLE = (FrontendMessage.SYNC, FrontendMessage.QUERY)

_PREPARED_READ = messages.describe(ObjectKind.PORTAL) + messages.execute() + messages.SYNC
"""The messages after Bind with which drivers run a prepared statement."""

_BIND = FrontendMessage.BIND[0]


class Dispatcher:
    """Dispatches the messages of one logged-in client, and owns all objects of its session."""

    def __init__(self, context: ServerContext, client: ClientConnection, backend: Backend, role: str) -> None:
        self._client = client
        self._backend = backend
        self._services = context.engine.services
        self._leave = context.engine.leave
        self._long_texts = context.long_texts
        self._statements = PreparedStatements(context.profile)
        self._portals = self._statements.portals
        self._engine = context.engine.join(backend, role, context.region, self._portals)
        self._session = ClientSession(client, self._engine, self._statements)
        self._queue = MessageQueue(client)
        passthrough = Passthrough(self._session)
        self._control = TransactionControl(self._session, passthrough, context.commit_latency)
        self._executor = Executor(self._session, passthrough, self._control, self._queue)
        local = LocalStatements(self._session, passthrough, self._control, context.job_committed)
        self._protocol = QueryProtocol(
            self._session, self._queue, passthrough, self._control, self._executor, local
        )
        self._running: Exchange | None = None
        self._busy = True
        self._task: asyncio.Task[None] | None = None
        self._expired = False
        self._age: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Send the first ReadyForQuery."""
        self._backend.on_lost = self._backend_lost
        self._backend.on_async_message = self._client.send
        self._session.start()
        loop = asyncio.get_running_loop()
        self._age = loop.call_later(self._services.limits.connection_age, self._expire)
        self._client.send(messages.READY[messages.IDLE])
        self._busy = False

    def _expire(self) -> None:
        self._expired = True
        self._close_if_expired()

    def _close_if_expired(self) -> None:
        """Close a connection that is older than the limit, unless it is in a transaction."""
        if self._expired and not self._busy and self._session.transaction is None:
            self._close()

    # input

    def receive(self, frames: list[Frame]) -> None:
        """Process frames from the client."""
        if not self._busy and not self._queue.frames and _is_one_batch(frames):
            self._begin(frames)  # nearly always: the queue is not needed
            return
        self._queue.push(frames, busy=self._busy)
        self._next()

    def _next(self) -> None:
        """Begin with the next whole batch, if any, unless another is in progress."""
        while not self._busy and (batch := self._queue.next_batch()):
            if batch[-1][0] == FrontendMessage.TERMINATE:
                self._close()
            else:
                self._begin(batch)

    def _begin(self, batch: list[Frame]) -> None:
        self._busy = True
        texts = [text for kind, raw in batch if is_long(raw) and (text := _text(kind, raw))]
        if texts:
            self._run(self._parse_and_process(texts, batch))
            return
        if self._can_relay(batch):
            held = self._engine.try_exclusive()
            if held is not None:
                self._relay(b"".join([raw for _, raw in batch]), partial(self._on_relayed, held))
                return
            self._statements.forget_batch()
        elif len(batch) == 1 and self._exchange_query(*batch[0]):
            return
        self._process(batch)

    def _process(self, batch: list[Frame]) -> None:
        self._run(self._protocol.process(batch))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._on_processed)

    async def _parse_and_process(self, texts: list[bytes], batch: list[Frame]) -> None:
        """Process a batch after its long texts have been parsed elsewhere."""
        try:
            for text in texts:
                await self._statements.parse_ahead(text, self._long_texts)
            await self._protocol.process(batch)
        except TooComplex as error:
            raise errors.CloseConnection(errors.TOO_COMPLEX) from error
        finally:
            self._statements.forget_ahead()

    def _on_processed(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if self._engine.answered is not None:  # a message was refused before its statement was executed
            self._engine.answered = None
            self._engine.release()
        error = task.exception()
        if error is None:
            self._busy = False
            self._next()
            self._close_if_expired()
        elif isinstance(error, errors.CloseConnection):
            self._close(error.last)
        elif isinstance(error, ConnectionLost):
            self._backend_lost()
        else:
            self._close(errors.internal(error))
            raise error

    # relayed reads

    def try_prepared(self, data: bytes) -> bool:
        """Process the most frequent batch, the execution of a prepared statement, without cutting it into frames.

        Returns:
            Whether `data` was such a batch and is sent to PostgreSQL; if not, nothing has been done.
        """
        if not data.endswith(_PREPARED_READ) or data[0] != _BIND or self._busy or self._queue.frames:
            return False
        if int.from_bytes(data[1:5], "big") != len(data) - len(_PREPARED_READ) - 1 or data[5]:
            return False  # several messages, or a named portal
        query = self._statements.accepted(data[6 : data.index(0, 6)])
        if query is None:
            return False
        if query.writes:
            return self._exchange_prepared(query, data)
        if not (self._relays_reads and self._is_plain(query)):
            return False
        held = self._engine.try_exclusive()
        if held is None:
            return False
        self._busy = True
        if self._session.transaction is not None:
            self._statements.register_read(query)
        self._relay(data, partial(self._on_prepared_relayed, held))
        return True

    def _on_prepared_relayed(self, held: HeldSession, end: EndFinder) -> None:
        if end.failed:
            self._session.fail()
        self._end_relay(held)

    # exchanges

    def _exchange_prepared(self, query: ParsedQuery, data: bytes) -> bool:
        """Exchange the messages that execute a prepared write; return False if they have to be processed."""
        if self._protocol.skipping or self._portals.drained or not self._is_well_formed(data):
            return False
        held = self._engine.try_exclusive()
        if held is None:
            return False
        exchange = self._executor.exchange(held, query, data)
        if exchange is None:
            held.release()
            return False
        self._busy = True
        if self._session.transaction is not None:
            self._statements.register_read(query)
        self._exchange(held, exchange, data)
        return True

    def _is_well_formed(self, data: bytes) -> bool:
        if data.isascii():
            return True
        bind = data[: -len(_PREPARED_READ)]
        return check_message(FrontendMessage.BIND, bind, self._statements.codec) is None

    def _exchange_query(self, kind: bytes, raw: bytes) -> bool:
        """Exchange a Query that writes, begins or commits; return False if it has to be processed."""
        if kind != FrontendMessage.QUERY or raw[-1:] != b"\0" or self._protocol.skipping:
            return False
        query = self._statements.parse(raw[BODY:-1])
        held = self._engine.try_exclusive() if query.control or query.writes else None
        if held is None:
            return False
        if query.control:
            exchange = self._control.begin_exchange(held, query)
        else:
            exchange = self._executor.exchange_query(held, query)
        if exchange is None:
            held.release()
            return False
        self._statements.forget_unnamed()
        self._statements.forget_unnamed_portal()
        self._exchange(held, exchange, raw)
        return True

    def _exchange(self, held: HeldSession, exchange: Exchange, data: bytes) -> None:
        self._running = exchange
        begin_watch(self._engine)
        self._engine.preemptions = 0
        self._engine.interruptible = exchange.interruptible
        try:
            self._backend.exchange(exchange.request, partial(self._on_exchanged, held, exchange, data))
        except ConnectionLost:
            self._backend_lost()

    def _on_exchanged(
        self, held: HeldSession, exchange: Exchange, data: bytes, answer: bytes, end: EndFinder
    ) -> None:
        self._running = None
        self._engine.interruptible = False
        reply = exchange.settle(answer, failed=end.failed)
        if reply is not None:
            self._control.end_exchange()
            self._client.send(reply)
            self._end_relay(held)
            return
        end_watch(self._engine)
        batch = FrameReader().feed(data)
        if exchange.undo:
            self._run(self._begin_again(held, exchange.undo, batch))
        else:
            self._process(batch)

    async def _begin_again(self, held: HeldSession, undo: bytes, batch: list[Frame]) -> None:
        try:
            await held.ask(undo)
        finally:
            held.release()
        await self._protocol.process(batch)

    @property
    def _relays_reads(self) -> bool:
        """True if the state of session and engine allows to relay plain reads unchecked."""
        catalog, transaction = self._services.catalog, self._session.transaction
        if not catalog.reads_are_known_not_to_write or self._protocol.skipping or self._portals.drained:
            return False
        return transaction is None or (
            transaction.is_active
            and not (transaction.implicit or transaction.replay)
            and transaction.catalog_version == catalog.version
        )

    def _can_relay(self, batch: list[Frame]) -> bool:
        """Return whether a batch can be relayed as it is. If so, its messages are registered; if not, none is."""
        if not self._relays_reads:
            return False
        kind, raw = batch[0]
        if kind == FrontendMessage.QUERY:
            return len(batch) == 1 and self._is_plain_query(raw)
        if batch[-1][0] != FrontendMessage.SYNC or not is_in_order(batch):
            return False
        try:
            plain = self._register(batch)
        except ValueError:  # a malformed message
            plain = False
        if not plain:
            self._statements.forget_batch()
        return plain

    def _is_plain(self, query: ParsedQuery) -> bool:
        return query.plain and not (self._session.transaction is not None and query.outside_transaction)

    def _is_plain_query(self, raw: bytes) -> bool:
        query = self._statements.parse(raw[BODY:-1])
        if raw[-1:] != b"\0" or not self._is_plain(query):
            return False
        self._statements.forget_unnamed()
        if query.statements:
            self._statements.forget_unnamed_portal()
        return True

    def _register(self, batch: list[Frame]) -> bool:
        """Register the messages of a batch; return whether all of them belong to plain reads.

        Raises:
            ValueError: a message is malformed.
        """
        parsed = False
        for kind, raw in batch:
            if kind == FrontendMessage.PARSE:
                parsed = parses_unnamed(kind, raw)
            elif not parsed and refers_to_unnamed(kind, raw):
                return False  # PostgreSQL may have dropped the unnamed statement of an earlier batch
            query = self._statements.register(kind, raw)
            if query is None:
                if kind in _NEEDS_NAME:
                    return False
            elif not self._is_plain(query):
                return False
            if kind == FrontendMessage.EXECUTE:
                self._portals.executed(*messages.execute_parts(raw))
        return True

    def _relay(self, data: bytes, at_end: Callable[[EndFinder], None]) -> None:
        begin_watch(self._engine)
        try:
            self._backend.relay(data, self._client.send, at_end)
        except ConnectionLost:
            self._backend_lost()

    def _on_relayed(self, held: HeldSession, end: EndFinder) -> None:
        self._statements.keep_batch(end.parsed if end.failed else None)
        if end.failed:
            self._session.fail()
        if self._session.transaction is None:
            self._statements.forget_portals()
        self._end_relay(held)

    def _end_relay(self, held: HeldSession) -> None:
        """End the relay: suspend the transaction if another session waits for it, release the session, and continue."""
        end_watch(self._engine)
        gives_way = self._session.transaction is not None and held.must_give_way
        if gives_way or self._engine.cancelling is not None:
            self._run(_give_way(held))
            return
        held.release()
        self._busy = False
        if self._queue.frames:
            self._next()
        if self._expired:
            self._close_if_expired()

    # output

    def pause_output(self) -> None:
        """Stop reading from PostgreSQL: the client reads too slowly."""
        self._backend.pause_reading()

    def resume_output(self) -> None:
        """Resume reading from PostgreSQL."""
        self._backend.resume_reading()

    # end

    def _backend_lost(self) -> None:
        self._client.close(errors.DATABASE_STOPPED)

    def _close(self, last: ServerMessage | None = None) -> None:
        """Close the client's connection and drop all other messages that it has sent."""
        self._busy = True
        self._client.close(last)
        self.connection_lost()

    def connection_lost(self) -> None:
        """Drop the transaction and the backend of a client that has disconnected.

        A task in progress is not cancelled, as it may be using the engine's own connection; it ends when it finds its
        backend closed.
        """
        self._control.close()
        self._queue.close()
        if self._age is not None:
            self._age.cancel()
        end_watch(self._engine)
        if self._running is not None:
            self._running.abandon()
            self._running = None
        self._backend.on_lost = lambda: None
        self._leave(self._engine)


_NEEDS_NAME = (FrontendMessage.BIND, FrontendMessage.EXECUTE, FrontendMessage.DESCRIBE)
"""Messages that fail if the name in them is unknown."""


async def _give_way(held: HeldSession) -> None:
    try:
        await held.session.wait_for_cancellation()
        if held.session.transaction is not None:
            await give_way(held)
    finally:
        held.release()


def _text(kind: bytes, raw: bytes) -> bytes:
    """Return the text in a message, empty if it has none or is malformed."""
    if kind == FrontendMessage.QUERY:
        return raw[BODY:-1]
    if kind != FrontendMessage.PARSE:
        return b""
    try:
        return messages.parse_parts(raw)[1]
    except ValueError:
        return b""


def _is_one_batch(frames: list[Frame]) -> bool:
    """Return whether frames are one whole batch of the usual kind, and no more."""
    if not frames or frames[-1][0] not in _WHOLE:
        return False
    return all(kind in EXTENDED for kind, _ in frames[:-1])
