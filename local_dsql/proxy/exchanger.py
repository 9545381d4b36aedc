"""Run the exchanges of one session (`engine.exchanges`): writes, BEGIN and COMMIT without a task."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from local_dsql.engine.exchanges import AutocommitWrite, Write
from local_dsql.engine.requests import as_extended
from local_dsql.engine.unblock import begin_watch, end_watch
from local_dsql.proxy.message_checks import check_message
from local_dsql.proxy.prepared_statements import parses_unnamed
from local_dsql.proxy.statement_execution import StatementExecution
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from local_dsql.engine.exchanges import Exchange
    from local_dsql.engine.session import HeldSession
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.proxy.protocol import QueryProtocol
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.transaction_control import TransactionControl
    from local_dsql.wire.frames import Frame


_EXECUTIONS = frozenset(
    parse + FrontendMessage.BIND + describe + FrontendMessage.EXECUTE + FrontendMessage.SYNC
    for parse in (b"", FrontendMessage.PARSE)
    for describe in (b"", FrontendMessage.DESCRIBE)
)
"""The types of messages of a batch that executes one statement."""
_NO_TYPES = b"\0\0\0"
"""The end of a Parse: that of its text, and the number of its parameter types."""
_BOUND = messages.BIND_COMPLETE + messages.NO_DATA
"""The answer to Bind and Describe of a statement without rows."""
_DESCRIBE, _EXECUTE = messages.describe(ObjectKind.PORTAL), messages.execute()


class Continuation(Protocol):
    """The dispatcher of the session."""

    def end(self, held: HeldSession) -> None:
        """Release the session and continue with the client's next messages."""

    def process(self, batch: list[Frame]) -> None:
        """Process a batch in a task."""

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run the rest of the work on a batch as a task."""

    def backend_lost(self) -> None:
        """Close the session: its connection to PostgreSQL is lost."""


class Exchanger:
    """Starts and settles the exchanges of one session; at most one is in progress."""

    def __init__(
        self,
        session: ClientSession,
        protocol: QueryProtocol,
        control: TransactionControl,
        continuation: Continuation,
    ) -> None:
        self._session = session
        self._engine = session.engine
        self._backend = session.backend
        self._statements = session.statements
        self._protocol = protocol
        self._control = control
        self._continuation = continuation
        self._running: Exchange | None = None
        self._parses = False
        self._prefix = b""
        """The answer to the messages before Execute."""

    def try_prepared(self, query: ParsedQuery, data: bytes, behind: bytes) -> bool:
        """Exchange the messages that execute a prepared write, BEGIN or COMMIT: Bind, and those that always follow.

        Returns:
            Whether the exchange has begun; if not, the messages have to be processed.
        """
        if self._protocol.skipping or self._statements.portals.lost:
            return False
        if query.control:
            bind = data.removesuffix(behind)
            return messages.binds_no_values(bind) and self._try_control(query, data, _BOUND)
        if not (data.isascii() or self._is_well_formed(data.removesuffix(behind))):
            return False
        held = self._engine.try_exclusive()
        if held is None:
            return False
        exchange = self._write(held, query, data.removesuffix(messages.SYNC))
        if exchange is None:
            held.release()
            return False
        if self._engine.transaction is not None:
            self._statements.register_read(query)
        self._begin(held, exchange, data)
        return True

    def _is_well_formed(self, bind: bytes) -> bool:
        return check_message(FrontendMessage.BIND, bind, self._statements.codec) is None

    def try_query(self, query: ParsedQuery, raw: bytes) -> bool:
        """Exchange a Query that writes, begins or commits; return as `try_prepared`."""
        if self._protocol.skipping:
            return False
        held = self._engine.try_exclusive() if query.control or query.writes else None
        if held is None:
            return False
        make = self._control.begin_exchange if query.control else self._write_of_query
        exchange = make(held, query)
        if exchange is None:
            held.release()
            return False
        self._statements.forget_unnamed()
        self._statements.forget_unnamed_portal()
        self._begin(held, exchange, raw)
        return True

    def _try_control(self, query: ParsedQuery, data: bytes, prefix: bytes) -> bool:
        """Exchange extended messages that begin or commit a transaction; `prefix` answers those before Execute.

        PostgreSQL receives the engine's statements in their place.
        """
        held = self._engine.try_exclusive()
        if held is None:
            return False
        exchange = self._control.begin_exchange(held, query)
        if exchange is None:
            held.release()
            return False
        self._statements.forget_unnamed_portal()
        self._prefix = prefix
        self._begin(held, exchange, data)
        return True

    def try_batch(self, batch: list[Frame]) -> bool:
        """Exchange a batch that executes one write, BEGIN or COMMIT; return as `try_prepared`.

        It may parse the statement, and may leave the description out.
        """
        if b"".join([kind for kind, _ in batch]) not in _EXECUTIONS or self._protocol.skipping:
            return False
        query = self._statement_of(batch)
        if query is None or self._statements.portals.lost:
            return False
        if query.control:
            return self._try_control_batch(query, batch)
        held = self._engine.try_exclusive()
        if held is None:
            return False
        data = b"".join([raw for _, raw in batch])
        exchange = self._write(held, query, data.removesuffix(messages.SYNC))
        if exchange is None:
            held.release()
            return False
        kind, raw = batch[0]
        if kind == FrontendMessage.PARSE:
            self._statements.register(kind, raw)
            self._parses = True
        if self._engine.transaction is not None:
            self._statements.register_read(query)
        self._begin(held, exchange, data)
        return True

    def _try_control_batch(self, query: ParsedQuery, batch: list[Frame]) -> bool:
        """Exchange a batch that begins or commits a transaction; it is not registered if that is not possible.

        A Parse of the unnamed statement is not sent: where a later batch binds the statement, it is sent then
        (`StatementExecution.borrowed_parse`).
        """
        kind, raw = batch[0]
        parses = kind == FrontendMessage.PARSE
        if parses and not (parses_unnamed(kind, raw) and raw.endswith(_NO_TYPES)):
            return False
        if not messages.binds_no_values(dict(batch)[FrontendMessage.BIND]):
            return False
        prefix = StatementExecution(query.only, tuple(batch[:-1])).local_response(b"")
        if not self._try_control(query, b"".join([raw for _, raw in batch]), prefix):
            return False
        if parses:
            self._statements.register(kind, raw)
            self._parses = True
        return True

    def _statement_of(self, batch: list[Frame]) -> ParsedQuery | None:
        """Return the write, BEGIN or COMMIT that a batch executes by the unnamed portal; None if it may be another."""
        known = self._statements
        if any(not raw.isascii() and check_message(kind, raw, known.codec) for kind, raw in batch):
            return None
        try:
            messages_by_kind = dict(batch)
            portal, name = messages.bind_parts(messages_by_kind[FrontendMessage.BIND])
            parse = messages_by_kind.get(FrontendMessage.PARSE)
            parsed_name, text = (name, b"") if parse is None else messages.parse_parts(parse)
            described = messages_by_kind.get(FrontendMessage.DESCRIBE, _DESCRIBE)
            if parse is None:
                query = known.accepted(name)
            else:  # PostgreSQL refuses a name that is taken
                query = known.parse(text) if known.accepted(name) is None else None
        except ValueError:  # a malformed message
            return None
        usual = (portal, parsed_name, described, messages_by_kind[FrontendMessage.EXECUTE])
        if usual != (b"", name, _DESCRIBE, _EXECUTE) or batch[-1][1] != messages.SYNC:
            return None
        if query is None or not (query.writes or query.control) or query.only is None:
            return None
        return query if query.only.backend_sql == query.only.text else None

    def _write_of_query(self, held: HeldSession, query: ParsedQuery) -> Exchange | None:
        """Return the exchange for a Query that is one write, None if a task has to run it."""
        if query.only is None:
            return None
        codec = self._statements.codec
        body = as_extended(query.only.backend_sql.encode(codec, "surrogateescape"))
        return None if body is None else self._write(held, query, body, of_query=True)

    def _write(
        self, held: HeldSession, query: ParsedQuery, body: bytes, *, of_query: bool = False
    ) -> Exchange | None:
        """Return the exchange for a write, given its extended messages without Sync, None if a task has to run it."""
        statement = query.only
        if statement is None or self._backend.parameters:
            return None
        if self._engine.transaction is not None:
            possible = Write.is_possible(held, statement, len(body))
            return Write(held, statement, body, of_query=of_query) if possible else None
        if self._control.commit_latency or not AutocommitWrite.is_possible(held, statement, len(body)):
            return None
        return AutocommitWrite(held, body, of_query=of_query)

    def _begin(self, held: HeldSession, exchange: Exchange, data: bytes) -> None:
        engine = self._engine
        self._running = exchange
        begin_watch(engine)
        engine.preemptions = 0
        engine.interruptible = exchange.interruptible
        at_end = partial(self._on_exchanged, held, exchange, data)
        try:
            self._backend.exchange(exchange.request, at_end, exchange.identify)
        except ConnectionLost:
            self._continuation.backend_lost()

    def _on_exchanged(
        self, held: HeldSession, exchange: Exchange, data: bytes, answer: bytes, failed: bool
    ) -> None:
        self._running = None
        self._engine.interruptible = False
        reply = exchange.settle(answer, failed=failed)
        if reply is not None:
            if self._parses:
                self._statements.keep_batch()
                self._parses = False
            if exchange.controls:
                self._control.end_exchange()
            if self._prefix:
                reply, self._prefix = self._prefix + reply, b""
            self._session.client.send(reply)
            self._continuation.end(held)
            return
        self._prefix = b""
        end_watch(self._engine)
        if self._parses:
            self._statements.forget_batch()
            self._parses = False
        batch = FrameReader().feed(data)
        if exchange.undo:
            self._continuation.run(self._begin_again(held, exchange.undo, batch))
        else:
            self._continuation.process(batch)

    async def _begin_again(self, held: HeldSession, undo: bytes, batch: list[Frame]) -> None:
        try:
            await held.ask(undo)
        finally:
            held.release()
        await self._protocol.process(batch)

    def abandon(self) -> None:
        """End the exchange in progress, if any: the client has disconnected."""
        if self._running is not None:
            self._running.abandon()
            self._running = None


def is_query(data: bytes) -> bool:
    """Return whether bytes are one well-formed Query."""
    return messages.is_frame(data, FrontendMessage.QUERY) and data.endswith(b"\0")
