"""The migrator's one connection, and how it comes back after a conflict or a loss.

Three ways to speak, because three things can be known after a failure: a read may simply be repeated, a
transaction may be repeated unless its COMMIT went unanswered, a DDL statement whose answer was lost must be
looked for in the catalog.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from blocks_runtime import signing
from blocks_runtime.database.session import Session, open_session
from blocks_runtime.errors import (
    AccessDenied,
    CommitOutcomeUnknown,
    ConnectionFailed,
    DatabaseError,
    ServerUnavailable,
)
from blocks_runtime.shared.retry import Backoff, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_runtime import Sql
    from blocks_runtime.database.results import Row
    from blocks_runtime.database.target import Target
    from blocks_runtime.signing import Credentials
    from custom_resource.deadline import Deadline

T = TypeVar("T")

BACKOFF = Backoff(base=0.05, cap=5.0)
"""A change of the schema is worth more patience than a transaction of an application."""

MAX_RETRIES = 12
"""How often a statement is repeated that met a conflict, an unavailable server or a torn connection."""

ACCESS_PATIENCE = 75.0
"""Seconds in which a denied login is tried again: a policy of the same deploy takes a while to be known.

One on the cluster itself takes effect within a minute. Source: AWS user guide, "Resource-based policies for Aurora
DSQL".
"""

CONNECT_PATIENCE = 180.0
"""Seconds in which a connection is tried for: a cluster may have to wake up, or be crowded."""


NAME_PATIENCE = 90.0
"""Seconds in which a deploy waits for a host name to be known: that of an interface endpoint it has just made."""


class Unanswered(Exception):
    """A DDL statement was sent and no answer came; it may or may not have taken effect."""


class Admin:
    """A connection as the database role of `target`, opened on demand and again after it was lost."""

    def __init__(
        self,
        target: Target,
        credentials: Callable[[], Credentials],
        deadline: Deadline,
        access_patience: float = ACCESS_PATIENCE,
        connect_patience: float = CONNECT_PATIENCE,
        name_patience: float = 0.0,
    ) -> None:
        """Describe the connection; it is opened by the first thing to be said.

        Args:
            target: where to connect and as whom.
            credentials: gives what to sign the next token with.
            deadline: when to stop.
            access_patience: seconds in which a denied login is tried again.
            connect_patience: seconds in which a connection is tried for, the first one and one after a loss.
            name_patience: seconds in which a host name that nobody knows is tried again.
        """
        self._target = target
        self._credentials = credentials
        self._session: Session | None = None
        self._denied_until = time.monotonic() + access_patience
        self._unknown_until = time.monotonic() + name_patience
        self._connect_patience = connect_patience
        self.deadline = deadline

    def read(self, statement: Sql) -> list[Row]:
        """Return the rows of a query; repeated whenever that may help."""
        return self._patiently(lambda: self._connected().run(statement).fetchall())

    def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in a transaction and commit; repeated on conflict, so `fn` must look at the data anew.

        Raises:
            CommitOutcomeUnknown: the answer to COMMIT was lost; read the journal before doing it again.
        """
        return self._patiently(lambda: self._transaction(fn))

    def change(self, statement: Sql) -> int:
        """Run one statement that is its own transaction, and return how many rows it changed; repeated on conflict.

        Raises:
            CommitOutcomeUnknown: no answer came; read the journal before doing it again.
        """
        return self._patiently(lambda: self._change(statement))

    def ddl(self, statement: Sql) -> list[Row]:
        """Run one DDL statement, which is its own transaction, and return its rows; repeated on conflict.

        Raises:
            Unanswered: nobody knows yet whether it took effect.
        """
        return self._patiently(lambda: self._ddl(statement))

    def await_answer(self, unanswered: int) -> None:
        """Pause before a DDL statement goes out again whose answer was lost so many times.

        Raises:
            ConnectionFailed: that was too often.
        """
        if unanswered > MAX_RETRIES:
            raise ConnectionFailed(f"a DDL statement was sent {unanswered} times, and no answer came")
        self.deadline.sleep(BACKOFF.wait(unanswered))

    @contextlib.contextmanager
    def open(self) -> Iterator[Admin]:
        """Use the connection within a `with` block; it is torn at the deadline, and closed at the end.

        DSQL has no statement timeout; tearing is how a statement that takes too long is made to fail in time.
        """
        watchdog = threading.Timer(max(0.0, self.deadline.remaining), self._abort)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield self
        finally:
            watchdog.cancel()
            watchdog.join()
            self._close()

    def _abort(self) -> None:
        session = self._session
        if session is not None:
            session.abort()

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _ddl(self, statement: Sql) -> list[Row]:
        session = self._connected()
        try:
            cursor = session.run(statement)
        except (ConnectionFailed, ServerUnavailable) as error:
            raise Unanswered from error
        return cursor.fetchall() if cursor.description else []

    def _change(self, statement: Sql) -> int:
        session = self._connected()
        try:
            return session.run(statement).rowcount
        except (ConnectionFailed, ServerUnavailable) as error:
            raise CommitOutcomeUnknown("no answer came to a statement that commits by itself") from error

    def _transaction(self, fn: Callable[[Session], T]) -> T:
        session = self._connected()
        session.begin()
        try:
            result = fn(session)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        return result

    def _connected(self) -> Session:
        self.deadline.check()
        if self._session is None or not self._session.usable:
            self._close()
            self._session = self._open()
        return self._session

    def _open(self) -> Session:
        """Connect, again and again until the patience for the kind of failure ends."""
        target, began, number = self._target, time.monotonic(), 1
        while True:
            token = signing.token(target.host, target.region, target.role, self._credentials())
            try:
                return open_session(target, token)
            except ConnectionFailed as error:
                until = began + self._connect_patience
                error.attempts = number
                if isinstance(error, AccessDenied):
                    until, error.retryable = self._denied_until, True
                elif not _is_known(target.host):
                    until, error.retryable = self._unknown_until, True
                wait = RetryPolicy(sys.maxsize, until, BACKOFF).wait(error, number, time.monotonic())
                if wait is None:
                    error.retryable = False
                    raise
            self.deadline.sleep(wait)
            number += 1

    def _patiently(self, attempt: Callable[[], T]) -> T:
        policy, number = RetryPolicy(MAX_RETRIES, backoff=BACKOFF), 1
        while True:
            try:
                return attempt()
            except CommitOutcomeUnknown:
                raise
            except DatabaseError as error:
                self.deadline.check()
                wait = policy.wait(error, number, time.monotonic())
                if wait is None:
                    raise
            self.deadline.sleep(wait)
            number += 1


def _is_known(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False
