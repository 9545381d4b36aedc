"""SQLAlchemy on the runtime's logins, and transactions that are retried after a conflict.

For instance, with `Session = async_sessionmaker(db.sqlalchemy_engine())`:

    total = await transaction(Session.begin, transfer, retry_on_conflict=True)

See docs/guides/sqlalchemy.md for the limits of the dialect.
"""

from __future__ import annotations

import time

import psycopg
from psycopg import pq

from ...errors import CommitOutcomeUnknown, ConnectionFailed, DatabaseError
from ...shared.callbacks import refuse_generator_function
from ...shared.deadline import expires_at
from ...shared.retry import RetryPolicy
from .. import prepared
from ..classification import translate
from ..sqlalchemy_engines import DBAPIError
from .primitives import sleep

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, TypeVar

    from ...shared.deadline import Deadline
    from ..target import Target

    S = TypeVar("S")
    T = TypeVar("T")


async def open_plain_connection(target: Target, password: str) -> psycopg.AsyncConnection[Any]:
    """Connect as `open_session` does, with cursors and transactions left to SQLAlchemy.

    Raises:
        AccessDenied: the token or the database role was refused.
        ConnectionFailed: any other reason; `retryable` where waiting helps.
    """
    parameters = target.parameters(password, pq.version())
    del password
    try:
        return await psycopg.AsyncConnection.connect(
            **parameters,  # type: ignore[arg-type]
            prepare_threshold=prepared.AFTER,
        )
    except psycopg.Error as error:
        del parameters  # with the token, which a traceback with local variables would show
        raise translate(error, lost=True) from error.with_traceback(None)


async def transaction(
    begin: Callable[[], AbstractAsyncContextManager[S]],
    fn: Callable[[S], Awaitable[T]],
    retry_on_conflict: bool = False,
    max_retries: int = 3,
    *,
    deadline: Deadline | None = None,
) -> T:
    """Run `fn` in a transaction of SQLAlchemy, commit, and return its result.

    The rules are those of `DistributedDatabase.transaction`: with `retry_on_conflict` all of `fn` is run again on
    a new session, after the same waits.

    Args:
        begin: opens a transaction: `Session.begin` of a sessionmaker, or `engine.begin`.
        fn: called with the session or connection that `begin` returns.
        retry_on_conflict: whether `fn` is run again after a conflict.
        max_retries: further runs.
        deadline: seconds from now, or Lambda's context; afterwards it is not run again.

    Raises:
        CommitOutcomeUnknown: the reply to COMMIT was lost; this is never retried.
        TransactionAborted: `fn` returned although a statement had failed.
        sqlalchemy.exc.DBAPIError: anything else, as SQLAlchemy raises it; see `failure_of`.
        TypeError: `fn` is a generator function.
    """
    refuse_generator_function(fn)
    policy = RetryPolicy(max_retries if retry_on_conflict else 0, expires_at(deadline))
    attempt = 1
    while True:
        returned = False
        try:
            async with begin() as scope:
                result = await fn(scope)
                returned = True
            return result
        except DBAPIError as error:
            failure = failure_of(error)
            if returned and isinstance(failure, ConnectionFailed):
                raise CommitOutcomeUnknown(
                    f"the connection was lost before COMMIT was answered ({failure.args[0]})",
                    sqlstate=failure.sqlstate,
                ) from error
            wait = policy.wait(failure, attempt, time.monotonic())
            if wait is None:
                if attempt > 1:
                    error.add_note(f"the transaction was run {attempt} times")
                raise
        await sleep(wait)
        attempt += 1


def failure_of(error: DBAPIError | DatabaseError) -> DatabaseError:
    """Return the runtime's error for one of SQLAlchemy, with class, SQLSTATE and `retryable`.

    An error of the runtime is returned as it is: engines raise `CommitOutcomeUnknown` for a lost reply to COMMIT.
    """
    if isinstance(error, DatabaseError):
        return error
    original = error.orig
    if not isinstance(original, psycopg.Error):
        original = psycopg.Error(str(original))
    return translate(original, lost=error.connection_invalidated)
