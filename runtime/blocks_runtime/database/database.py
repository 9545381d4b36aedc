# Auto-generated from aio/database.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""`DistributedDatabase`: the entry point of an application.

The driver is imported with the first connection, not before.
"""

from __future__ import annotations

from _thread import allocate_lock  # `threading` itself is loaded with the first connection
from os import getpid

from ..shared.callbacks import refuse_generator_function
from ..shared.deadline import expires_at
from .fragments import Sql
from .statements import Statements, checked

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, Concatenate, ParamSpec, TypeVar, overload

    from ..shared.deadline import Deadline
    from .cursor import Cursor
    from .engine import Engine
    from .loading import Loaded
    from .results import Health, Stats
    from .sqlalchemy_engines import AlchemyEngine
    from .table_shapes import TableShapes
    from .transaction import Transaction

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


class DistributedDatabase(Statements):
    """The Aurora DSQL database that the stack calls `name`.

    Create it once, at the top of the module: it connects with the first statement, keeps the connection warm
    between invocations, and replaces it before DSQL closes it. It reads the environment variables that
    `grant_connect` has set on the function; on a laptop without them it starts the project's local database.
    """

    def __init__(
        self, name: str, *, max_connections: int = 10, statement_deadline: float | None = None
    ) -> None:
        """Store the options; nothing is read or connected yet.

        Args:
            name: id of the construct.
            max_connections: concurrent statements and transactions, each on one connection; further ones wait.
            statement_deadline: seconds for any single statement from when it has a connection, unless a call passes
                less; None: no limit but DSQL's own (`contract.TRANSACTION_SECONDS`).
        """
        if max_connections < 1:
            raise ValueError(f"max_connections is {max_connections}; give at least 1")
        self.name = name
        self._max_connections = max_connections
        self._statement_deadline = statement_deadline
        self._engine: Engine | None = None
        self._lock = allocate_lock()

    @overload
    def transaction(self, *, deadline: Deadline | None = None) -> AbstractContextManager[Transaction]: ...
    @overload
    def transaction(
        self,
        fn: Callable[[Transaction], T],
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        deadline: Deadline | None = None,
    ) -> T: ...
    def transaction(
        self,
        fn: Callable[[Transaction], T] | None = None,
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        deadline: Deadline | None = None,
    ) -> Any:
        """Run `fn(tx)` in a transaction, commit, and return what `fn` returned.

        An exception from `fn` rolls back and passes through unchanged. By default a conflict is raised. With
        `retry_on_conflict` all of `fn` is run again, up to `max_retries` more times and not beyond `deadline`
        (seconds from now, or Lambda's context), after a random wait that grows; so `fn` must be safe to run more
        than once. `tx.attempt` counts the runs from 1, `tx.info` is complete after the commit, and the error that
        is finally raised has the number of runs in `attempts`.

        Without `fn` it is a context manager for `with`: the block is the transaction. A block cannot be run again,
        so there is no retry; use a function where conflicts are expected.

        Raises:
            SerializationFailure: another transaction conflicted, at the last attempt.
            CommitOutcomeUnknown: the answer to COMMIT was lost; this is never retried.
            TransactionAborted: `fn` returned although a statement had failed.
            DeadlineExceeded: the deadline passed; the transaction is rolled back.
            TypeError: retries were asked for without a function to run again, or `fn` is a generator function.
            DatabaseError: anything else, see `blocks_runtime.errors`.
        """
        if fn is None:
            if retry_on_conflict:
                raise TypeError(
                    "a with block cannot be run again, so it cannot retry_on_conflict; "
                    "put it into a function and pass that to transaction()"
                )
            return self._connected().block(expires_at(deadline))
        refuse_generator_function(fn)
        until = expires_at(deadline)
        return self._connected().transaction(fn, max_retries if retry_on_conflict else 0, until)

    @overload
    def transactional(self, fn: Callable[Concatenate[Transaction, P], T], /) -> Callable[P, T]: ...
    @overload
    def transactional(
        self, /, *, retry_on_conflict: bool = False, max_retries: int = 3, deadline: float | None = None
    ) -> Callable[[Callable[Concatenate[Transaction, P], T]], Callable[P, T]]: ...
    def transactional(
        self,
        fn: Callable[Concatenate[Transaction, P], T] | None = None,
        /,
        *,
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        deadline: float | None = None,
    ) -> Any:
        """Decorate a function whose first parameter is a transaction; each call runs one.

        `@db.transactional(retry_on_conflict=True)` above `def transfer(tx, payer, payee)` lets callers write
        `transfer(payer, payee)`; `@db.transactional` is the same without options. The options and errors are those of
        `transaction`.
        """
        import functools

        def decorate(
            fn: Callable[Concatenate[Transaction, P], T],
        ) -> Callable[P, T]:
            refuse_generator_function(fn)

            @functools.wraps(fn)
            def run(*args: P.args, **kwargs: P.kwargs) -> T:
                return self.transaction(
                    lambda tx: fn(tx, *args, **kwargs), retry_on_conflict, max_retries, deadline=deadline
                )

            return run

        return decorate if fn is None else decorate(fn)

    def load(
        self,
        table: str | Sql,
        rows: Iterable[object],
        *,
        columns: Iterable[str] | None = None,
        key: str | Iterable[str] | None = None,
        parallel: int = 4,
        max_retries: int = 10,
        progress: Callable[[Loaded], None] | None = None,
        deadline: Deadline | None = None,
    ) -> Loaded:
        """Insert any number of rows in chunks within DSQL's limits, `parallel` transactions at a time.

        Each chunk is a transaction of its own, so the load is not atomic. With `key`, rows whose key exists
        already are left unchanged: an interrupted load can be run again, and a chunk with an unknown outcome is
        retried.

        Args:
            table: name of the table, or `sql.identifier(schema, table)`.
            rows: dicts, dataclasses or sequences; an iterator is read as it is needed. Values of json columns
                are dicts and lists, or strings of JSON.
            columns: names of the columns; by default those of the first row, which must then have names.
            key: column or columns of a primary key or unique constraint.
            parallel: concurrent chunks, `max_connections` at most.
            max_retries: further attempts for a chunk after a conflict.
            progress: called after each chunk, one call at a time.
            deadline: seconds for the whole load, or Lambda's context.

        Raises:
            CommitOutcomeUnknown: the reply to a chunk was lost, or did not arrive before the deadline; with `key` only
                after the retries.
            DeadlineExceeded: the deadline passed before a chunk was sent.
            DatabaseError: a chunk failed after its retries. Notes on the error tell how much was loaded.
        """
        from .bulk import Load
        from .loading import Plan

        plan = Plan.of(table, columns, key)
        load = Load(self._connected(), plan, self._shape, max_retries, progress, expires_at(deadline))
        return load.run(rows, parallel)

    def warm_up(self, connections: int = 1) -> None:
        """Open connections ahead of the first statement, `max_connections` at most.

        Called while a Lambda initializes, it moves signing, TLS and login out of the first invocation.

        Raises:
            ConnectionFailed: the database cannot be reached or refuses the login.
        """
        self._connected().warm_up(connections)

    def health(self, deadline: float = 5.0) -> Health:
        """Run `SELECT 1` within `deadline` seconds and return the result; a failure is in it, not raised."""
        from time import monotonic

        from ..errors import DatabaseError
        from .results import Health

        started, failure = monotonic(), None
        try:
            self._connected().ping(deadline)
        except DatabaseError as error:
            failure = error
        return Health(failure is None, (monotonic() - started) * 1000, failure)

    @property
    def stats(self) -> Stats:
        """Counters of this process for this database."""
        from .results import Stats

        engine = self._engine
        return Stats() if engine is None else engine.stats()

    def simulate_conflict(self, code: str = "OC000", *, times: int = 1, table: str | None = None) -> None:
        """Make the next write commit of any client fail with SQLSTATE 40001; for tests.

        The server reports the failure, so the application sees exactly a real conflict. Works on a local database
        only.

        Args:
            code: `OC000` (another transaction changed the rows) or `OC001` (the schema changed).
            times: number of commits.
            table: counts only commits that change this table.

        Raises:
            ConfigurationError: the database is not a local one.
            ValueError: an argument is wrong, or there is no such table.
        """
        from .location import inject

        inject(self._connected().location, code, times, table)

    def sqlalchemy_engine(self, **options: object) -> AlchemyEngine:
        """Return a new SQLAlchemy engine for this database, on the dialect that AWS publishes for DSQL.

        It signs, verifies and retries logins as this database does, and has a pool of its own with up to
        `max_connections`, whose connections are replaced in time and checked after idling. `orm.transaction` runs
        a function again after a conflict. Dispose of it before `close`, which detaches from a local database.

        Args:
            options: options of SQLAlchemy's `create_engine`, such as `echo` or `pool_size`.

        Raises:
            ConfigurationError: SQLAlchemy or the dialect is not installed: `pip install 'blocks-dsql[sqlalchemy]'`.
        """
        from .orm import open_plain_connection
        from .sqlalchemy_engines import make_engine

        engine = self._connected()
        return make_engine(lambda: engine.login(open_plain_connection), self._max_connections, options)

    def close(self) -> None:
        """Close every connection; safe to repeat. The next statement reconnects."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def __enter__(self) -> DistributedDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        from ..shared.pickling import unconnected

        return unconnected(self)

    def __repr__(self) -> str:
        return f"DistributedDatabase({self.name!r})"

    @property
    def _shapes(self) -> TableShapes:
        return self._connected().shapes

    def _run(
        self,
        statement: Sql,
        fetch: Callable[[Cursor], R],
        row_type: type[Any] | None,
        deadline: Deadline | None,
    ) -> R:
        if type(statement) is not Sql:
            checked(statement)  # before connecting, so that a mistake in the code opens no connection
        until = None if deadline is None else expires_at(deadline)
        return self._connected().run(statement, fetch, row_type, until)

    def _stream(
        self, statement: Sql, row_type: type[Any] | None, size: int, deadline: Deadline | None
    ) -> Iterator[Any]:
        checked(statement)
        return self._connected().stream(statement, row_type, expires_at(deadline), size)

    def _explain(self, statement: Sql, analyze: bool, deadline: Deadline | None) -> list[tuple[Any, ...]]:
        if not analyze:
            return self.query(statement, tuple, deadline=deadline)
        return self._connected().run_rolled_back(statement, expires_at(deadline))

    def _connected(self) -> Engine:
        engine = self._engine
        if engine is None or engine.process != getpid():
            return self._connect()
        return engine

    def _connect(self) -> Engine:
        from ..shared.gc_pause import GcPaused

        with GcPaused():
            from .engine import engine_for
        with self._lock:
            if self._engine is None or self._engine.process != getpid():
                self._engine = engine_for(self.name, self._max_connections, self._statement_deadline)
            return self._engine
