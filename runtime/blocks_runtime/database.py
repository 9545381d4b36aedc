"""`DistributedDatabase`: the one object an application holds.

Nothing here imports the driver before the first connection. Its asyncio twin belongs in
`blocks_runtime.aio.database`, over the same pure modules: `fragments`, `retry`, `classification`, `target`,
`signing`, `location`.
"""

from __future__ import annotations

from _thread import allocate_lock  # `threading` itself is loaded with the first connection

from .transaction import Transaction, checked

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .engine import Engine
    from .fragments import Sql
    from .rows import Row
    from .session import Cursor

    T = TypeVar("T")


class DistributedDatabase:
    """The Aurora DSQL database that the stack calls `name`.

    Make it once, at the top of the module: it connects with the first statement, keeps the connection warm
    between invocations, and replaces it in time. Threads may share it; each statement or transaction uses one
    of up to `max_connections` connections. Where the database is, the variables say that `grant_connect` gave
    to the function; on a laptop without them it is the project's local database, started on demand.
    """

    def __init__(self, name: str, *, max_connections: int = 10) -> None:
        if max_connections < 1:
            raise ValueError(f"max_connections is {max_connections}; give at least 1")
        self.name = name
        self._max_connections = max_connections
        self._engine: Engine | None = None
        self._lock = allocate_lock()

    def query(self, statement: Sql) -> list[Row]:
        """Return all rows of a statement made by `sql`, each a dict by column name; it commits by itself.

        Raises:
            SerializationFailure: another transaction conflicted.
            CommitOutcomeUnknown: the connection tore during a statement that may have changed something.
            DatabaseError: anything else, see `blocks_runtime.errors`.
        """
        return self._run(statement).fetchall()

    def query_one(self, statement: Sql) -> Row | None:
        """Return the first row, or None where there is none; otherwise as `query`."""
        return self._run(statement).fetchone()

    def execute(self, statement: Sql) -> int:
        """Return how many rows the statement changed (or returned); otherwise as `query`."""
        return max(self._run(statement).rowcount, 0)

    def transaction(
        self,
        fn: Callable[[Transaction], T],
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        deadline: float | None = None,
    ) -> T:
        """Run `fn(tx)` in a transaction, commit, and return what `fn` returned.

        An exception from `fn` rolls back and passes through unchanged. By default a conflict is raised. With
        `retry_on_conflict` the whole of `fn` is run again, up to `max_retries` more times and not beyond
        `deadline` seconds from now, after a random wait that grows; `tx.attempt` counts the runs from 1, and
        an error that is finally raised says in `attempts` how many there were. So `fn` must be fit to run
        more than once.

        Raises:
            SerializationFailure: another transaction conflicted, at the last attempt.
            CommitOutcomeUnknown: the answer to COMMIT was lost; this is never retried.
            TransactionAborted: `fn` returned although a statement had failed.
            DatabaseError: anything else, see `blocks_runtime.errors`.
        """
        from .retry import RetryPolicy

        retries = max_retries if retry_on_conflict else 0
        return self._connected().transaction(fn, RetryPolicy.starting_now(retries, deadline))

    def close(self) -> None:
        """Close every connection; safe to repeat. The next statement connects anew."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def __enter__(self) -> DistributedDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DistributedDatabase({self.name!r})"

    def _run(self, statement: Sql) -> Cursor:
        checked(statement)  # before there is a connection, so that a slip in the code costs none
        return self._connected().run(statement)

    def _connected(self) -> Engine:
        with self._lock:
            if self._engine is None:
                from .engine import engine_for

                self._engine = engine_for(self.name, self._max_connections)
            return self._engine
