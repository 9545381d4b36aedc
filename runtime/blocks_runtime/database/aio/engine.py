"""Runs statements and transactions of one database on pooled connections, with retries.

Imported with the first connection, since it loads the driver.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from pathlib import Path

from ... import signing
from ...errors import ConnectionFailed, DatabaseError, SerializationFailure, ServerUnavailable
from ...shared.deadline import earliest
from ...shared.retry import AUTOCOMMIT, CONNECTS, RetryPolicy
from ..classification import autocommit_failure, unknown_statement
from ..counters import Counters
from ..course import Course
from ..instrumentation import Instrumentation
from ..location import Location, locate
from ..open_transactions import begin, innermost, warn_of_statement, warn_of_transaction
from ..read_only import may_commit_in_parts
from ..row_factories import dict_rows, factory
from ..table_shapes import TableShapes
from .pool import AsyncPool
from .primitives import Turn, ensure_result, sleep
from .session import AsyncSession, open_session
from .transaction import AsyncTransaction

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any, TypeVar

    from ..course import TransactionInfo
    from ..cursor import Cursor
    from ..fragments import Sql
    from ..results import Stats
    from ..target import Target

    C = TypeVar("C")
    R = TypeVar("R")
    T = TypeVar("T")

_READ_ONLY = "25006"
"""SQLSTATE of a statement that would write in a READ ONLY transaction."""

_EXHAUSTED = (
    "other transactions keep changing the same rows: run fewer of them at once, or allow more retries"
)

CONNECT_PATIENCE = 20.0
"""Seconds for which a login is retried while the cluster wakes or limits connections."""


class AsyncEngine:
    """The pool of connections to one database, and the retry rules."""

    def __init__(
        self, name: str, location: Location, max_connections: int, statement_deadline: float | None = None
    ) -> None:
        self.statement_deadline = statement_deadline
        self.name = name
        self.location = location
        self.pool = AsyncPool(self._connect, max_connections)
        self.counters = Counters()
        self.shapes = TableShapes()
        self.process = os.getpid()
        """The process whose connections these are; a forked one must not use them."""
        self._instrumentation = Instrumentation(name, _telemetry(location))

    async def run(
        self,
        statement: Sql,
        fetch: Callable[[Cursor], R],
        row_type: type[Any] | None,
        until: float | None,
        retries: int = AUTOCOMMIT,
    ) -> R:
        """Execute an autocommit statement.

        It is retried where that is safe: after a conflict always, since nothing was committed; after a lost
        connection or `server unavailable` only if it looks read-only, and then in a READ ONLY transaction: what it
        may have written before is not written twice.

        `until` is the time at which the call gives up, waits included; each attempt has the time of `expiry` as well.
        """
        rows = dict_rows if row_type is None else factory(row_type)

        async def act(session: AsyncSession) -> R:
            return fetch(await session.run(statement, rows, self.expiry(until)))

        return await self._autocommit(statement, act, until, retries)

    async def copy(self, statement: Sql, body: bytes, until: float | None, retries: int) -> int:
        """Send rows to an autocommit COPY and return their number; otherwise as `run`."""

        async def act(session: AsyncSession) -> int:
            return await session.copy(statement, body, self.expiry(until))

        return await self._autocommit(statement, act, until, retries)

    async def _autocommit(
        self,
        statement: Sql,
        act: Callable[[AsyncSession], Awaitable[R]],
        until: float | None,
        retries: int,
    ) -> R:
        if innermost.get() is not None:
            warn_of_statement(self.name)
        attempt = 1
        lost: DatabaseError | None = None
        while True:
            check = AsyncSession.ping_if_idle if lost is None else AsyncSession.begin_read_only
            session, used = await self.pool.take(check, until)
            try:
                result = await act(session)
                if lost is not None:
                    await session.rollback()
            except BaseException as error:
                await self._release_after_error(session, error)
                if not isinstance(error, DatabaseError):
                    raise
                if lost is not None and error.sqlstate == _READ_ONLY:
                    failure: DatabaseError = unknown_statement(lost)
                else:
                    failure = autocommit_failure(error, statement)
                failure.attempts = attempt
                if isinstance(failure, (ConnectionFailed, ServerUnavailable)):
                    lost = failure
                wait = self._wait(failure, statement, used, attempt, RetryPolicy(retries, until))
                if wait is None:
                    _replace_retry_advice(failure)
                    if failure is error:
                        raise
                    raise failure from error.__cause__
            else:
                self.pool.release(session)
                return result
            await sleep(wait)
            attempt += 1

    async def stream(
        self, statement: Sql, row_type: type[Any] | None, until: float | None, size: int
    ) -> AsyncIterator[Any]:
        """Yield the rows of an autocommit statement, which is never retried."""
        if innermost.get() is not None:
            warn_of_statement(self.name)
        session, _ = await self.pool.take(AsyncSession.ping_if_idle, until)
        try:
            async for row in session.stream(statement, factory(row_type), self.expiry(until), size):
                yield row
        except BaseException as error:
            await self._release_after_error(session, error)
            if isinstance(error, DatabaseError):
                raise autocommit_failure(error, statement) from error.__cause__
            raise
        self.pool.release(session)

    async def transaction(
        self, fn: Callable[[AsyncTransaction], Awaitable[T]], max_retries: int, until: float | None
    ) -> T:
        """Run `fn` until it commits, or there is no retry left."""
        policy = RetryPolicy(max_retries, until)
        if innermost.get() is not None:
            warn_of_transaction(self.name)
        course = self._course()
        while True:
            info = course.attempt()
            try:
                result = await self._attempt(fn, info, until)
            except DatabaseError as error:
                wait = policy.wait(error, info.attempts, time.monotonic())
                course.failed(error, wait)
                if wait is None:
                    raise
            else:
                course.committed()
                return result
            await sleep(wait)

    @contextlib.asynccontextmanager
    async def block(self, until: float | None) -> AsyncIterator[AsyncTransaction]:
        """Run the body of a `with` as one attempt; it cannot be run again."""
        if innermost.get() is not None:
            warn_of_transaction(self.name)
        course = self._course()
        try:
            async with self._transaction(course.attempt(), until) as tx:
                yield tx
        except DatabaseError as error:
            course.failed(error, None)
            raise
        course.committed()

    async def run_rolled_back(self, statement: Sql, until: float | None) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, and roll its changes back."""
        if innermost.get() is not None:
            warn_of_statement(self.name)
        session, _ = await self.pool.take(self._begin, until)
        try:
            cursor = await session.run(statement, factory(tuple), self.expiry(until))
            rows: list[tuple[Any, ...]] = cursor.all()
            await session.rollback()
        except BaseException as error:
            await self._release_after_error(session, error)
            raise
        self.pool.release(session)
        return rows

    async def warm_up(self, connections: int) -> None:
        """Open connections until there are `connections`."""
        await self.pool.fill(connections, AsyncSession.ping_if_idle)

    async def ping(self, patience: float) -> None:
        """Run `SELECT 1` on a connection within `patience` seconds."""
        until = time.monotonic() + patience
        session, _ = await self.pool.take(AsyncSession.ping, until)
        self.pool.release(session)

    def stats(self) -> Stats:
        """Return the current counters."""
        return self.counters.read(
            statements=self.pool.statements,
            replaced=self.pool.replaced,
            open=self.pool.open,
            idle=self.pool.idle,
        )

    def close(self) -> None:
        """Close every connection and detach from a local database."""
        self.pool.close()
        self.location.release()

    async def _attempt(
        self, fn: Callable[[AsyncTransaction], Awaitable[T]], info: TransactionInfo, until: float | None
    ) -> T:
        tx = await self._open(info, until)
        opened = begin(self.name)
        try:
            result = await ensure_result(fn(tx))
            await tx._commit()
        except BaseException as error:
            await tx._roll_back(error)
            raise
        finally:
            opened.end()
        return result

    @contextlib.asynccontextmanager
    async def _transaction(
        self, info: TransactionInfo, until: float | None
    ) -> AsyncIterator[AsyncTransaction]:
        """Run the body of a `with` as `_attempt` runs a function."""
        tx = await self._open(info, until)
        opened = begin(self.name)
        try:
            yield tx
            await tx._commit()
        except BaseException as error:
            await tx._roll_back(error)
            raise
        finally:
            opened.end()

    async def _open(self, info: TransactionInfo, until: float | None) -> AsyncTransaction:
        session, _ = await self.pool.take(self._begin, until)
        return AsyncTransaction(session, info, self.shapes, until, self.expiry, self.pool.release, Turn())

    async def _begin(self, session: AsyncSession, until: float | None) -> None:
        """Send BEGIN, with its own deadline if every statement has one."""
        await session.begin(self.expiry(until))

    def expiry(self, until: float | None) -> float | None:
        """Return the time at which a statement sent now is abandoned: `until`, or earlier by `statement_deadline`.

        Call it once the statement has its connection: the wait for one takes nothing from the time of the statement.
        """
        if self.statement_deadline is None:
            return until
        return earliest(until, time.monotonic() + self.statement_deadline)

    async def _release_after_error(self, session: AsyncSession, error: BaseException) -> None:
        """Return a connection to the pool after an error; roll back, or close it if its state is unknown."""
        try:
            if isinstance(error, Exception):
                await session.rollback()
            else:  # an interrupt may arrive in the middle of a message
                session.close()
        except BaseException:
            session.close()
            raise
        finally:
            self.pool.release(session)

    def _wait(
        self, error: DatabaseError, statement: Sql, used: bool, attempt: int, policy: RetryPolicy
    ) -> float | None:
        """Return the seconds to wait before an autocommit statement is retried, None if it is not."""
        wait: float | None = None
        if isinstance(
            error, ConnectionFailed
        ):  # a read on a reused connection; on a new one the network is at fault
            wait = 0.0 if used else None
        elif error.retryable and not may_commit_in_parts(statement):
            wait = policy.wait(error, attempt, time.monotonic())
        self._count(error, wait is not None)
        if wait is not None:
            self._instrumentation.repeated(statement.text, error, attempt)
        return wait

    def _course(self) -> Course:
        return Course(self.counters, self._count, self._instrumentation, _EXHAUSTED)

    def _count(self, error: DatabaseError, again: bool) -> None:
        conflict = isinstance(error, SerializationFailure)
        self.counters.add(conflicts=conflict, unknown=error.commit_unknown, retries=again)

    async def login(self, connect: Callable[[Target, str], Awaitable[C]], until: float | None = None) -> C:
        """Return the connection that `connect` opens with a token; transient failures are retried with new tokens.

        Raises:
            AccessDenied: the token or the database role was refused.
            ConnectionFailed: no connection within `CONNECT_PATIENCE`, or by `until`.
        """
        started, attempt = time.monotonic(), 1
        patience = earliest(until, started + CONNECT_PATIENCE)
        policy = RetryPolicy(max_retries=100, deadline=patience, backoff=CONNECTS)
        while True:
            try:
                connection = await connect(self.location.target, self._token())
            except ConnectionFailed as error:
                error.attempts = attempt
                self.counters.add(refused=1)
                wait = policy.wait(error, attempt, time.monotonic())
                if wait is None:
                    raise
            else:
                self.counters.add(connects=1)
                self._instrumentation.connected(time.monotonic() - started, attempt)
                return connection
            await sleep(wait)
            attempt += 1

    async def _connect(self, until: float | None) -> AsyncSession:
        return await self.login(partial(open_session, watch=self._instrumentation, until=until), until)

    def _token(self) -> str:
        target = self.location.target
        return signing.token(target.host, target.region, target.role, self.location.credentials())


def _replace_retry_advice(error: DatabaseError) -> None:
    """Replace the advice to retry after retries were exhausted."""
    if isinstance(error, SerializationFailure) and error.attempts > 1:
        error.advice = _EXHAUSTED


def engine_for(name: str, max_connections: int, statement_deadline: float | None = None) -> AsyncEngine:
    """Return the engine for the database `name` of this process's environment, or working directory."""
    return AsyncEngine(name, locate(name, os.environ, Path.cwd()), max_connections, statement_deadline)


def _telemetry(location: Location) -> Any:
    """Return the bridge to OpenTelemetry if the process has loaded it, None if it has not."""
    import sys

    if "opentelemetry.trace" not in sys.modules and "opentelemetry.metrics" not in sys.modules:
        return None
    from ..otel import Telemetry

    return Telemetry(location.target.host, location.target.port)
