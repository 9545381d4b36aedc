"""What a database does once it is used: lend connections to statements and to transactions, repeat these.

Imported with the first connection, since it pulls in the driver. Its asyncio twin belongs in
`blocks_runtime.aio.engine`.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from . import logs, signing
from .errors import CommitOutcomeUnknown, ConnectionFailed, DatabaseError
from .location import Location, locate
from .pool import Pool
from .retry import CONNECTS, RetryPolicy
from .session import Session, open_session
from .transaction import Transaction

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from .fragments import Sql
    from .session import Cursor

    T = TypeVar("T")

CONNECT_PATIENCE = 20.0
"""Seconds for which a waking or crowded cluster is asked again."""


class Engine:
    """The connections to one database, and the rules for using them."""

    def __init__(self, name: str, location: Location, max_connections: int) -> None:
        self._name = name
        self._location = location
        self._pool = Pool(self._connect, max_connections)

    def run(self, statement: Sql) -> Cursor:
        """Execute a statement that commits by itself; one that only reads survives a torn connection."""
        while True:
            session, used = self._pool.take(Session.wake)
            try:
                with self._lent(session):
                    return session.run(statement)
            except ConnectionFailed as error:
                if not only_reads(statement):
                    raise _unknown(error) from error.__cause__
                if not used:
                    raise

    def transaction(self, fn: Callable[[Transaction], T], policy: RetryPolicy) -> T:
        """Run `fn` until it commits or the policy gives up."""
        started, attempt = time.monotonic(), 1
        while True:
            try:
                result = self._attempt(fn, attempt)
            except DatabaseError as error:
                error.attempts = attempt
                wait = policy.wait(error, attempt, time.monotonic())
                if wait is None:
                    logs.gave_up(self._name, error, time.monotonic() - started)
                    raise
            else:
                logs.committed(self._name, attempt, time.monotonic() - started)
                return result
            time.sleep(wait)
            attempt += 1

    def close(self) -> None:
        """Close every connection and let go of a local database."""
        self._pool.close()
        self._location.release()

    def _attempt(self, fn: Callable[[Transaction], T], attempt: int) -> T:
        session, _ = self._pool.take(Session.begin)
        with self._lent(session):
            tx = Transaction(session, attempt)
            try:
                result = fn(tx)
                tx._commit()
            finally:
                tx._end()
        return result

    @contextlib.contextmanager
    def _lent(self, session: Session) -> Iterator[None]:
        try:
            yield
        except Exception:
            session.rollback()
            raise
        except BaseException:  # an interrupt may have struck in the middle of a message
            session.close()
            raise
        finally:
            self._pool.give(session)

    def _connect(self) -> Session:
        policy = RetryPolicy(max_retries=100, deadline=time.monotonic() + CONNECT_PATIENCE, backoff=CONNECTS)
        attempt = 1
        while True:
            try:
                return open_session(self._location.target, self._token())
            except ConnectionFailed as error:
                error.attempts = attempt
                wait = policy.wait(error, attempt, time.monotonic())
                if wait is None:
                    raise
            time.sleep(wait)
            attempt += 1

    def _token(self) -> str:
        target = self._location.target
        return signing.token(target.host, target.region, target.role, self._location.credentials())


def engine_for(name: str, max_connections: int) -> Engine:
    """Return the engine for the database `name` of this process's environment, or working directory."""
    return Engine(name, locate(name, os.environ, Path.cwd()), max_connections)


def only_reads(statement: Sql) -> bool:
    """Say whether a statement is plainly a SELECT or the like; WITH is not, for it may hold an INSERT."""
    words = statement.texts[0].split(None, 1)
    return bool(words) and words[0].upper() in ("SELECT", "VALUES", "TABLE", "SHOW")


def _unknown(error: ConnectionFailed) -> CommitOutcomeUnknown:
    return CommitOutcomeUnknown(
        f"the connection was lost before the statement was answered ({error.args[0]}); it may or may not "
        "have taken effect: read the data before running it again",
        sqlstate=error.sqlstate,
    )
