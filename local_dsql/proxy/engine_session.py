"""The concurrency engine as one client session uses it; no other module of the proxy calls `local_dsql.occ`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from local_dsql.faults.injector import PredicateFailed
from local_dsql.occ import size, statements, verdicts
from local_dsql.occ.commit import Ending
from local_dsql.occ.effects import made_by
from local_dsql.occ.foresight import foresee
from local_dsql.occ.parking import BACK_TO_BASE, OPEN, read_opened, resume
from local_dsql.occ.statements import Request
from local_dsql.occ.transaction import Transaction
from local_dsql.occ.waiting import ask
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from dsql_dialect import Statement
    from local_dsql.occ.engine import Engine, Moment
    from local_dsql.occ.foresight import Foresight
    from local_dsql.occ.limits import Limits
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.proxy.session import ClientSession
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.wire.response import Response

__all__ = ["EngineSession", "ExclusiveAccess", "PendingCommit", "Request", "Transaction"]

_BEGIN = messages.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
_ROLLBACK = messages.query("ROLLBACK")
_TRY = messages.side_query("SAVEPOINT local_dsql_trial")
_UNDO = messages.query("ROLLBACK TO SAVEPOINT local_dsql_trial; RELEASE SAVEPOINT local_dsql_trial")


class EngineSession:
    """Transactions of one client session, as the engine runs them.

    Of a `Transaction` the rest of the proxy uses `implicit`, `failed`, `expired`, `rules`, `settings` and `reads_only`.
    """

    def __init__(self, engine: Engine, session: ClientSession) -> None:
        self._engine = engine
        self._session = session

    @property
    def limits(self) -> Limits:
        """The limits of transactions and connections."""
        return self._engine.limits

    def register(self) -> None:
        """Make the session known to the engine."""
        self._engine.join(self._session)

    def close(self) -> None:
        """Forget the session and its transaction, and end its backend."""
        backend = self._session.backend
        self._engine.leave(self._session)
        if backend.lock.locked:
            # PostgreSQL notices a closed connection only after the statement, and keeps its locks until then.
            self._engine.terminate(backend.pid)
        backend.close()

    # reading

    @property
    def ddl_is_open(self) -> bool:
        """True if an open transaction, of any session, has changed the catalog."""
        return self._engine.altering > 0

    @property
    def relays_reads(self) -> bool:
        """True if a plain read can be relayed unchecked."""
        engine = self._engine
        if engine.altering:
            return False
        transaction = self._session.transaction
        return transaction is None or engine.untroubled(transaction)

    @property
    def is_active(self) -> bool:
        """True if the transaction, if any, can be used without `resume`."""
        transaction = self._session.transaction
        if transaction is None or transaction.failed:
            return True
        return self._engine.in_place(transaction) or (transaction.implicit and transaction.parked is None)

    @property
    def is_overtaken(self) -> bool:
        """True if, since `is_active` was read, the transaction was suspended or the catalog changed."""
        transaction = self._session.transaction
        if transaction is None or transaction.failed:  # a failed transaction is not resumed
            return self.ddl_is_open
        return self.ddl_is_open or transaction.parked is not None

    def calls_writer(self, query: ParsedQuery) -> bool:
        """Return whether a text mentions a function or view that writes or locks rows."""
        hidden = self._engine.hidden
        return bool(hidden) and query.only is not None and hidden.concerns(query.only)

    def effective(self, statement: Statement) -> Statement:
        """Return the statement with the traits of the functions and views that it mentions."""
        return self._engine.hidden.seen(statement)

    # transactions

    async def begin(self, request: bytes = _BEGIN, *, implicit: bool) -> Response:
        """Begin a transaction and take its snapshot at once, as DSQL does; return the response to the request."""
        backend = self._session.backend
        async with backend.lock:
            # Not later than the snapshot, or a commit in between would seem to be part of it. A transaction taken
            # for older than it is costs no more than a savepoint.
            before = self._engine.moment
            begun, opened = await backend.request(request + OPEN, 2)
        if begun.error is None:
            self._session.transaction = _new_transaction(opened, before, implicit=implicit)
        return begun

    def exclusive(self) -> ExclusiveAccess:
        """Return a context manager that locks the backend for statements that write or take locks."""
        return ExclusiveAccess(self._engine, self._session)

    async def roll_back_to_base(self) -> None:
        """Undo all statements of the transaction and release its locks; the backend's lock must be held."""
        await self._session.backend.request(BACK_TO_BASE)

    async def rollback(self) -> None:
        """Roll the transaction back."""
        async with self._session.backend.lock:
            await self._session.backend.request(_ROLLBACK)
        self.end()

    def end(self) -> None:
        """Forget the transaction, which has ended in PostgreSQL."""
        self._engine.ended(self._session.transaction)
        self._session.transaction = None

    def trial(self) -> AbstractAsyncContextManager[None]:
        """Return a context manager that undoes what its block does in PostgreSQL; the backend's lock must be held."""
        return _trial(self._session.backend)

    def pending_commit(self) -> PendingCommit:
        """Return a COMMIT that has not been sent."""
        return PendingCommit(self._engine, self._session)

    # effects of statements

    def size_limit_exceeded(self) -> ServerMessage:
        """Return the error for a transaction that changes too many bytes."""
        return size.limit_exceeded(self.limits.bytes)

    async def as_conflict(self, statement: Statement, response: Response) -> Response:
        """Return an error that newer rows may have caused as the conflict behind it, any other response as it is."""
        return await statements.as_conflict(self._engine, self._session, statement, response)

    async def record(self, statement: Statement, changed: int) -> ServerMessage | None:
        """Record a statement that succeeded and changed so many rows; return the error if they are too many."""
        transaction = self._transaction
        transaction.rows += changed
        transaction.tables |= statement.tables_written
        transaction.wrote |= statement.writes
        transaction.removed = transaction.removed or await self._takes_keys(statement)
        self.record_statement(statement)
        if statement.is_ddl:
            if self._engine.hidden.may_change(statement):
                transaction.redefines = True
                self._engine.hidden.expect(statement)
            transaction.reshapes = statement.altered_tables
            self.record_ddl(self._repetition(statement.text))
        return errors.ROW_LIMIT if transaction.rows > self.limits.rows else None

    async def _takes_keys(self, statement: Statement) -> bool:
        """Return whether a statement may have removed keys: by DELETE, or by assigning to a key column."""
        if statement.deletes or not statement.columns_assigned:
            return statement.deletes
        keys = await self._engine.tables.key_columns(statement.tables_written, self._engine.catalog)
        return not keys.isdisjoint(statement.columns_assigned)

    def record_statement(self, statement: Statement) -> None:
        """Update the transaction's rules, and keep the statement's text if predicates are armed."""
        transaction = self._transaction
        transaction.rules = transaction.rules.after(statement)
        if self._engine.injector.has_predicates:
            transaction.statements.append(statement.text)

    def record_ddl(self, repeat: Callable[[], Awaitable[None]]) -> None:
        """Note that the transaction has changed the catalog; `repeat` makes the change again after a suspension."""
        transaction = self._transaction
        if transaction.redo is None:
            self._engine.altering += 1
        transaction.redo = repeat

    def _repetition(self, sql: str) -> Callable[[], Awaitable[None]]:
        async def repeat() -> None:
            (response,) = await ask(self._engine, self._session, messages.query(sql), exclusive=True)
            response.rows()

        return repeat

    @property
    def _transaction(self) -> Transaction:
        transaction = self._session.transaction
        assert transaction is not None
        return transaction


class ExclusiveAccess:
    """The engine's mutex and the backend's lock, held: every request that writes or takes locks needs them."""

    def __init__(self, engine: Engine, session: ClientSession) -> None:
        self._engine = engine
        self._session = session

    async def __aenter__(self) -> ExclusiveAccess:
        await self._engine.mutex.acquire()
        try:
            await self._session.backend.lock.acquire()
        except BaseException:
            self._engine.mutex.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._session.backend.lock.release()
        self._engine.mutex.release()

    async def resume(self) -> ServerMessage | None:
        """Resume the transaction, if any, if it is suspended; return the error if it cannot be resumed."""
        transaction = self._session.transaction
        if transaction is None:
            return None
        if transaction.expired:
            return errors.too_old(self._engine.limits.transaction_age)
        if transaction.catalog < self._engine.catalog and transaction.doomed is None:
            return verdicts.SCHEMA_CHANGED
        await resume(self._engine, self._session)
        return None

    async def request(self, data: bytes) -> Response:
        """Send one request without lock waits; its response may have many rows (`bulk`)."""
        (response,) = await ask(self._engine, self._session, data, bulk=True)
        return response

    async def run(self, request: Request) -> Response:
        """Run a statement of an open transaction without lock waits."""
        return await statements.run(self._engine, self._session, request)

    async def begin_and_run(self, request: Request) -> Response:
        """Begin an implicit transaction together with its first statement.

        The statement cannot conflict: if another transaction commits over its rows first, both run again.
        """
        backend = self._session.backend
        data = request.data
        while True:
            _, opened, response = await ask(self._engine, self._session, _BEGIN + OPEN + data, 3, bulk=True)
            fields = response.error
            if fields is None or fields["C"] != "40001":
                break
            data = request.again
            await backend.request(_ROLLBACK)
        # Exact, because no other session commits while the mutex is held.
        self._session.transaction = _new_transaction(opened, self._engine.moment, implicit=True)
        return statements.without(response, request.surplus if data is request.again else {})

    async def hides_rows(self, statement: Statement) -> bool:
        """Return whether a statement may change rows that its command tag does not count."""
        if self._engine.hidden:
            return True  # a default or a check may call a function that writes
        if not statement.tag_counts_rows:
            return True
        tables = await self._engine.tables.current(self._engine.catalog)
        return tables.cascades and (statement.deletes or statement.updates)

    async def size_refusal(self, statement: Statement, request: Request) -> ServerMessage | None:
        """Return the error if a statement that succeeded has stored a value or a row that is too large."""
        if len(request.data) < size.LARGE_REQUEST or not statement.writes:
            return None
        transaction = self._session.transaction
        assert transaction is not None
        return await size.too_large(self._engine, self._session, transaction, statement.tables_written)

    def trial(self) -> AbstractAsyncContextManager[None]:
        """Return a context manager that undoes what its block does in PostgreSQL."""
        return _trial(self._session.backend)

    # for statements that PostgreSQL does not have

    async def run_ddl(self, sql: str) -> Response:
        """Run a DDL statement without lock waits; the response may be an error."""
        (response,) = await ask(self._engine, self._session, messages.query(sql), exclusive=True)
        return response

    async def privileged_rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement of the proxy as superuser within the client's transaction; return its rows.

        Raises:
            BackendError: it failed.
        """
        role = literal(self._session.role)
        text = f"SET LOCAL SESSION AUTHORIZATION DEFAULT; {sql}; SET LOCAL SESSION AUTHORIZATION {role}"
        return await self._session.backend.rows(text)

    def created_by_transaction(self, column: str) -> str:
        """Return an SQL condition: the row version with this xmin column was written by the transaction."""
        transaction = self._session.transaction
        assert transaction is not None
        return made_by(transaction.snapshot_end).replace("xmin", column)

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call a function once the transaction has committed."""
        transaction = self._session.transaction
        assert transaction is not None
        transaction.on_commit.append(call)


@asynccontextmanager
async def _trial(backend: Backend) -> AsyncIterator[None]:
    await backend.request(_TRY)  # keeps the unnamed statement and the unnamed portal
    yield
    await backend.request(_UNDO)


def _new_transaction(opened: Response, before: Moment, *, implicit: bool) -> Transaction:
    end, log_position = read_opened(opened)
    return Transaction(implicit, before.sequence, before.catalog, end, log_position)


class PendingCommit:
    """A COMMIT: `check`, then `run`; then `error` is the ErrorResponse, None after success.

    `connection_lost` says that an injected fault breaks the client's connection.
    """

    def __init__(self, engine: Engine, session: ClientSession) -> None:
        self._engine = engine
        self._session = session
        self._preview: Foresight | None = None
        self.error: bytes | None = None
        self.connection_lost = False

    async def check(self) -> ServerMessage | None:
        """Evaluate predicates and the transaction's age; return the error if it must be rolled back."""
        transaction = self._session.transaction
        assert transaction is not None
        if self._engine.injector.has_predicates and not transaction.expired:
            try:
                self._preview = await foresee(self._engine, self._session)
            except PredicateFailed as failure:
                return failure.message
        return errors.too_old(self._engine.limits.transaction_age) if transaction.expired else None

    async def run(self) -> None:
        """Commit, or find that the transaction has lost."""
        ending = Ending(self._engine, self._session, self._preview)
        await ending.at_its_turn()
        self.error, self.connection_lost = ending.error, ending.lost
