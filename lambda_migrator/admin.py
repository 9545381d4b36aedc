"""The migrator's one connection, with retries after conflicts and reconnection after a loss.

There are three kinds of calls, because a failure means three things: a read may be repeated, a transaction may be
repeated unless the reply to its COMMIT was lost, and the effect of a DDL statement without a reply must be looked up in
the catalog.
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
"""Backoff of retries, longer than that of an application, as a failed deploy costs more than a wait."""

MAX_RETRIES = 12
"""Retries of a statement after a conflict, an unavailable server or a lost connection."""

ACCESS_PATIENCE = 75.0
"""Seconds for which a denied login is retried: a policy of the same deploy takes effect with a delay.

A policy on the cluster itself takes effect within a minute. Source: AWS user guide, "Resource-based policies for Aurora
DSQL".
"""

CONNECT_PATIENCE = 180.0
"""Seconds for which connecting is retried: a cluster may have to wake up, or be at its connection limit."""


NAME_PATIENCE = 90.0
"""Seconds for which a deploy retries a host name that does not resolve: that of a new interface endpoint."""


class OutcomeUnknown(Exception):
    """A DDL statement was sent and no reply arrived; it may or may not have taken effect."""


class AdminConnection:
    """A connection with the database role of `target`, opened on demand and reopened after a loss."""

    def __init__(
        self,
        target: Target,
        credentials: Callable[[], Credentials],
        deadline: Deadline,
        access_patience: float = ACCESS_PATIENCE,
        connect_patience: float = CONNECT_PATIENCE,
        name_patience: float = 0.0,
    ) -> None:
        """Store the options; the first statement opens the connection.

        Args:
            target: host, port and database role.
            credentials: returns the credentials for the next token.
            deadline: time to stop.
            access_patience: seconds for which a denied login is retried.
            connect_patience: seconds for which connecting is retried, at first and after a loss.
            name_patience: seconds for which a host name that does not resolve is retried.
        """
        self._target = target
        self._credentials = credentials
        self._session: Session | None = None
        self._denied_until = time.monotonic() + access_patience
        self._unknown_until = time.monotonic() + name_patience
        self._connect_patience = connect_patience
        self.deadline = deadline

    @property
    def host(self) -> str:
        """Host name of the cluster."""
        return self._target.host

    def read(self, statement: Sql) -> list[Row]:
        """Return the rows of a query; retried after transient errors."""
        return self._retried(lambda: self._connected().run(statement).all())

    def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in a transaction and commit; retried on conflict, so `fn` must read the data again.

        Raises:
            CommitOutcomeUnknown: the reply to COMMIT was lost; read the journal before running it again.
        """
        return self._retried(lambda: self._transaction(fn))

    def change(self, statement: Sql) -> int:
        """Run one autocommit statement and return the number of rows that it changed; retried on conflict.

        Raises:
            CommitOutcomeUnknown: no reply arrived; read the journal before running it again.
        """
        return self.autocommit(lambda session: session.run(statement).count)

    def autocommit(self, act: Callable[[Session], T]) -> T:
        """Run `act`, which sends one autocommit statement, and return its result; retried on conflict.

        Raises:
            CommitOutcomeUnknown: no reply arrived.
        """
        return self._retried(lambda: self._answered(act))

    def ddl(self, statement: Sql) -> list[Row]:
        """Run one DDL statement, which is its own transaction, and return its rows; retried on conflict.

        Raises:
            OutcomeUnknown: no reply arrived; it may or may not have taken effect.
        """
        return self._retried(lambda: self._ddl(statement))

    def back_off(self, unanswered: int) -> None:
        """Wait before a DDL statement is sent again after `unanswered` lost replies.

        Raises:
            ConnectionFailed: there were more than `MAX_RETRIES`.
        """
        if unanswered > MAX_RETRIES:
            raise ConnectionFailed(f"a DDL statement was sent {unanswered} times, and no reply arrived")
        self.deadline.sleep(BACKOFF.wait(unanswered))

    @contextlib.contextmanager
    def open(self) -> Iterator[AdminConnection]:
        """Return a context in which the connection may be used; it is shut down at the deadline, and closed at the end.

        DSQL has no statement timeout; shutting the connection down makes a slow statement fail in time.
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
            raise OutcomeUnknown from error
        return cursor.all() if cursor.columns else []

    def _answered(self, act: Callable[[Session], T]) -> T:
        session = self._connected()
        try:
            return act(session)
        except (ConnectionFailed, ServerUnavailable) as error:
            raise CommitOutcomeUnknown("no reply to an autocommit statement") from error

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
        """Connect, with retries for as long as the kind of failure is retried."""
        target, began, number = self._target, time.monotonic(), 1
        while True:
            token = signing.token(target.host, target.region, target.role, self._credentials())
            try:
                return open_session(target, token, until=self.deadline.at)
            except ConnectionFailed as error:
                until = began + self._connect_patience
                error.attempts = number
                if isinstance(error, AccessDenied):
                    until, error.retryable = self._denied_until, True
                elif not _resolves(target.host):
                    until, error.retryable = self._unknown_until, True
                wait = RetryPolicy(sys.maxsize, until, BACKOFF).wait(error, number, time.monotonic())
                if wait is None:
                    error.retryable = False
                    raise
            self.deadline.sleep(wait)
            number += 1

    def _retried(self, attempt: Callable[[], T]) -> T:
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


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def is_unknown_host(host: str) -> bool:
    """Return whether the name servers know no such host, as for a cluster that was deleted.

    False if they cannot be reached.
    """
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as error:
        return error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    return False
