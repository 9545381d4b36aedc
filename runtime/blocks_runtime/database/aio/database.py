"""`AsyncDistributedDatabase`: the one object an application holds.

Nothing here imports the driver before the first connection.
"""

from __future__ import annotations

from _thread import allocate_lock  # `threading` itself is loaded with the first connection

from .statements import AsyncStatements, checked

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, Concatenate, ParamSpec, TypeVar, overload

    from ...shared.deadline import Deadline
    from ..fragments import Sql
    from ..loading import Loaded
    from ..results import Health, Stats
    from ..sqlalchemy_engines import AsyncAlchemyEngine
    from ..table_shapes import TableShapes
    from .engine import AsyncEngine
    from .primitives import Cursor
    from .transaction import AsyncTransaction

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


class AsyncDistributedDatabase(AsyncStatements):
    """The Aurora DSQL database that the stack calls `name`.

    Make it once, at the top of the module: it connects with the first statement, keeps the connection warm
    between invocations, and replaces it in time. Where the database is, the variables say that `grant_connect`
    gave to the function; on a laptop without them it is the project's local database, started on demand.
    """

    def __init__(
        self, name: str, *, max_connections: int = 10, statement_deadline: float | None = None
    ) -> None:
        """Describe the database; nothing is read and nothing is opened yet.

        Args:
            name: id of the construct.
            max_connections: statements and transactions at once; more wait in line. Each uses one connection.
            statement_deadline: seconds for any single statement, unless a call says less; None: no limit
                but DSQL's own of 300 s a transaction.
        """
        if max_connections < 1:
            raise ValueError(f"max_connections is {max_connections}; give at least 1")
        self.name = name
        self._max_connections = max_connections
        self._statement_deadline = statement_deadline
        self._engine: AsyncEngine | None = None
        self._lock = allocate_lock()

    @overload
    def transaction(
        self, *, deadline: Deadline | None = None
    ) -> AbstractAsyncContextManager[AsyncTransaction]: ...
    @overload
    def transaction(
        self,
        fn: Callable[[AsyncTransaction], Awaitable[T]],
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        deadline: Deadline | None = None,
    ) -> Awaitable[T]: ...
    def transaction(
        self,
        fn: Callable[[AsyncTransaction], Awaitable[T]] | None = None,
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        deadline: Deadline | None = None,
    ) -> Any:
        """Run `fn(tx)` in a transaction, commit, and return what `fn` returned.

        An exception from `fn` rolls back and passes through unchanged. By default a conflict is raised. With
        `retry_on_conflict` the whole of `fn` is run again, up to `max_retries` more times and not beyond
        `deadline` (seconds from now, or Lambda's context), after a random wait that grows; so `fn` must be fit
        to run more than once. `tx.attempt` counts the runs from 1, `tx.info` is complete after the commit, and
        an error that is finally raised says in `attempts` how many there were.

        Without `fn` it is for `with`: the block is the transaction. A block cannot be run again, so there is no
        retry; use a function where conflicts are to be expected.

        Raises:
            SerializationFailure: another transaction conflicted, at the last attempt.
            CommitOutcomeUnknown: the answer to COMMIT was lost; this is never retried.
            TransactionAborted: `fn` returned although a statement had failed.
            DeadlineExceeded: it was not over in time; it is rolled back.
            TypeError: retries were asked for without a function to run again.
            DatabaseError: anything else, see `blocks_runtime.errors`.
        """
        from ...shared.deadline import expires_at
        from ...shared.retry import RetryPolicy

        if fn is None:
            if retry_on_conflict:
                raise TypeError(
                    "a with block cannot be run again, so it cannot retry_on_conflict; "
                    "put it into a function and pass that to transaction()"
                )
            return self._connected().block(expires_at(deadline))
        policy = RetryPolicy(max_retries if retry_on_conflict else 0, expires_at(deadline))
        return self._connected().transaction(fn, policy)

    def transactional(
        self,
        *,
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        deadline: float | None = None,
    ) -> Callable[[Callable[Concatenate[AsyncTransaction, P], Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Make a function that takes a transaction first into one that is a transaction; for decorators.

        `@db.transactional(retry_on_conflict=True)` above `def transfer(tx, payer, payee)` lets callers write
        `transfer(payer, payee)`. The options and errors are those of `transaction`.
        """
        import functools

        def decorate(
            fn: Callable[Concatenate[AsyncTransaction, P], Awaitable[T]],
        ) -> Callable[P, Awaitable[T]]:
            @functools.wraps(fn)
            async def run(*args: P.args, **kwargs: P.kwargs) -> T:
                return await self.transaction(
                    lambda tx: fn(tx, *args, **kwargs), retry_on_conflict, max_retries, deadline=deadline
                )

            return run

        return decorate

    async def load(
        self,
        table: str | Sql,
        rows: Iterable[object] | AsyncIterable[object],
        *,
        columns: Iterable[str] | None = None,
        key: str | Iterable[str] | None = None,
        parallel: int = 4,
        max_retries: int = 10,
        progress: Callable[[Loaded], None] | None = None,
    ) -> Loaded:
        """Insert any number of rows, in chunks that DSQL takes, `parallel` transactions at a time.

        Each chunk is a transaction of its own, so this is not all or none. With `key`, rows whose key is there
        already are left alone: then a load that was interrupted is simply run again, and a chunk whose outcome
        was lost is repeated by itself.

        Args:
            table: name of the table, or `sql.identifier(schema, table)`.
            rows: dicts, dataclasses or sequences; an iterator is read as it is needed. Values of json columns
                are dicts and lists, or strings of JSON.
            columns: names of the columns; by default those of the first row, which then is no plain sequence.
            key: column or columns of a primary key or unique constraint.
            parallel: chunks under way at once; no more than `max_connections` really are.
            max_retries: further attempts for a chunk that met a conflict.
            progress: called after each chunk, never twice at once.

        Raises:
            CommitOutcomeUnknown: without `key`, the answer to a chunk was lost.
            DatabaseError: a chunk failed for good. Notes on the error say how much had been loaded.
        """
        from ..loading import Plan
        from .bulk import AsyncLoad

        plan = Plan.of(table, columns, key)
        load = AsyncLoad(self._connected(), plan, self._shape, max_retries, progress)
        return await load.run(rows, parallel)

    async def warm_up(self, connections: int = 1) -> None:
        """Open connections ahead of the first statement, `max_connections` at most.

        Called while a Lambda initializes, it takes signing, TLS and login out of the first invocation.

        Raises:
            ConnectionFailed: the database cannot be reached or refuses the login.
        """
        await self._connected().warm_up(connections)

    async def health(self, deadline: float = 5.0) -> Health:
        """Ask the database for a sign of life, for at most `deadline` seconds; errors are part of the answer."""
        from time import monotonic

        from ...errors import DatabaseError
        from ..results import Health

        started, failure = monotonic(), None
        try:
            await self._connected().ping(deadline)
        except DatabaseError as error:
            failure = error
        return Health(failure is None, (monotonic() - started) * 1000, failure)

    @property
    def stats(self) -> Stats:
        """What this process has done with the database so far."""
        from ..results import Stats

        engine = self._engine
        return Stats() if engine is None else engine.stats()

    def simulate_conflict(self, code: str = "OC000", *, times: int = 1, table: str | None = None) -> None:
        """Let the next commit that changes something fail with SQLSTATE 40001, whoever's it is; for tests.

        It is the server that fails it, so what happens is what happens on a real conflict. Only a local
        database can be told to.

        Args:
            code: `OC000`, rows changed by another transaction, or `OC001`, a change of the schema.
            times: how many commits.
            table: only commits that change this table.

        Raises:
            ConfigurationError: the database is not a local one.
        """
        from ..location import inject

        inject(self._connected().location, code, times, table)

    def sqlalchemy_engine(self, **options: object) -> AsyncAlchemyEngine:
        """Return a new SQLAlchemy engine for this database, on the dialect that AWS publishes for DSQL.

        It signs, verifies and retries logins as everything here does, and keeps a pool of its own with up to
        `max_connections`, whose connections are replaced in time and checked after a rest. `orm.transaction` runs
        a function again after a conflict. Dispose of it before `close`, which lets go of a local database.

        Args:
            options: those of SQLAlchemy's `create_async_engine`, such as `echo` or `pool_size`.

        Raises:
            ConfigurationError: SQLAlchemy or the dialect is not installed: `pip install 'blocks-dsql[sqlalchemy]'`.
        """
        from ..sqlalchemy_engines import make_async_engine
        from .orm import open_plain_connection

        engine = self._connected()
        return make_async_engine(lambda: engine.login(open_plain_connection), self._max_connections, options)

    async def close(self) -> None:
        """Close every connection; safe to repeat. The next statement connects anew."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    async def __aenter__(self) -> AsyncDistributedDatabase:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncDistributedDatabase({self.name!r})"

    @property
    def _shapes(self) -> TableShapes:
        return self._connected().shapes

    async def _run(
        self,
        statement: Sql,
        fetch: Callable[[Cursor], Awaitable[R]],
        row_type: type[Any] | None,
        deadline: Deadline | None,
    ) -> R:
        checked(statement)  # before there is a connection, so that a slip in the code costs none
        until = None
        if deadline is not None or self._statement_deadline is not None:
            until = self._until(deadline)
        return await self._connected().run(statement, fetch, row_type, until)

    def _stream(
        self, statement: Sql, row_type: type[Any] | None, size: int, deadline: Deadline | None
    ) -> AsyncIterator[Any]:
        checked(statement)
        return self._connected().stream(statement, row_type, self._until(deadline), size)

    async def _explain(
        self, statement: Sql, analyze: bool, deadline: Deadline | None
    ) -> list[tuple[Any, ...]]:
        if not analyze:
            return await self.query(statement, tuple, deadline=deadline)
        return await self._connected().run_rolled_back(statement, self._until(deadline))

    def _until(self, deadline: Deadline | None) -> float | None:
        from ...shared.deadline import expires_at

        return expires_at(deadline, self._statement_deadline)

    def _connected(self) -> AsyncEngine:
        engine = self._engine
        if engine is None or engine.forked:
            return self._connect()
        return engine

    def _connect(self) -> AsyncEngine:
        from ...shared.gc_pause import GcPaused

        with GcPaused():
            from .engine import engine_for
        with self._lock:
            if self._engine is None or self._engine.forked:
                self._engine = engine_for(self.name, self._max_connections)
            return self._engine
