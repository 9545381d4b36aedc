"""One connection to Aurora DSQL, spoken to in the only ways that DSQL understands.

This is the one module that calls psycopg. What it decides lies in pure modules beside it (`target`,
`classification`, `retry`); its asyncio twin belongs in `blocks_runtime.aio.session`.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import time

import psycopg
from psycopg import pq
from psycopg.rows import dict_row

from .classification import translate
from .errors import CommitOutcomeUnknown, ConnectionFailed, TransactionAborted
from .fragments import Sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from typing import Any

    from .target import Target

    Cursor = psycopg.Cursor[dict[str, Any]]
    Connection = psycopg.Connection[dict[str, Any]]

LIFETIME = (45 * 60.0, 55 * 60.0)
"""Seconds, drawn from this range, after which a connection is not used; DSQL closes it after an hour."""

IDLE = 20.0
"""Seconds of rest after which a connection is asked whether it is still there."""

_PROBE, _BEGIN, _COMMIT, _ROLLBACK = (Sql((text,)) for text in ("SELECT 1", "BEGIN", "COMMIT", "ROLLBACK"))

# psycopg drops the statements it prepared with DEALLOCATE <name>, which DSQL refuses, unless libpq can close
# them in the protocol (17 and later). AWS user guide, "supported SQL"; psycopg documentation, "Prepared
# statements".
_PREPARE_AFTER = 5 if psycopg.capabilities.has_send_close_prepared() else None


def open_session(target: Target, password: str) -> Session:
    """Connect, with TLS verified.

    Raises:
        AccessDenied: the token or the database role was refused.
        ConnectionFailed: any other reason; `retryable` where waiting helps.
    """
    try:
        connection: Connection = psycopg.connect(
            **target.parameters(password, pq.version()),  # type: ignore[arg-type]
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            row_factory=dict_row,
            prepare_threshold=_PREPARE_AFTER,
        )
    except psycopg.Error as error:
        raise translate(error, lost=True) from error
    return Session(connection)


class Session:
    """A connection and what is known of its health. Not for two threads at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._expires = time.monotonic() + random.uniform(*LIFETIME)  # noqa: S311 (jitter, not a secret)
        self._expires_by_wall = time.time() + self._expires - time.monotonic()
        self._used = time.monotonic(), time.time()

    @property
    def usable(self) -> bool:
        """False once it is closed, too old, or the server said something unasked, which is always goodbye.

        A frozen sandbox stops the monotonic clock and a set clock moves the other, so both are asked.
        """
        if self.lost or time.monotonic() > self._expires or time.time() > self._expires_by_wall:
            return False
        if self._connection.info.transaction_status != pq.TransactionStatus.IDLE:
            return False
        return not _readable(self._connection.fileno())

    @property
    def _rested(self) -> bool:
        """True after a rest long enough for the other end to have vanished without a word."""
        monotonic, wall = self._used
        return time.monotonic() - monotonic > IDLE or not 0 <= time.time() - wall <= IDLE

    @property
    def lost(self) -> bool:
        """True once the connection is closed or broken."""
        return self._connection.closed or self._connection.broken

    def run(self, statement: Sql) -> Cursor:
        """Execute one statement with its values bound by the server.

        Raises:
            DatabaseError: of the class that fits; `ConnectionFailed` where the connection tore.
        """
        cursor: Cursor = self._connection.cursor()
        try:
            cursor.execute(statement.text, statement.values or None)
        except psycopg.Error as error:
            raise translate(error, lost=self.lost) from error
        self._used = time.monotonic(), time.time()
        return cursor

    def wake(self) -> None:
        """After a rest, ask the server for a sign of life.

        Raises:
            ConnectionFailed: none came.
        """
        if self._rested:
            self.run(_PROBE)

    def begin(self) -> None:
        """Open a transaction; DSQL has one isolation level, so there is nothing to choose."""
        self.run(_BEGIN)

    def commit(self) -> None:
        """Commit, and believe only an answer that says so.

        Raises:
            SerializationFailure: another transaction came first.
            TransactionAborted: the server rolled back instead, because a statement had failed.
            CommitOutcomeUnknown: no answer came.
        """
        try:
            cursor = self.run(_COMMIT)
        except ConnectionFailed as error:
            raise _unknown(error) from error.__cause__
        if cursor.statusmessage != "COMMIT":
            raise TransactionAborted(
                f"COMMIT was answered {cursor.statusmessage}: a statement of the transaction had failed, "
                "nothing was kept; do not swallow errors inside a transaction",
                sqlstate="25P02",
            )

    def rollback(self) -> None:
        """Give up the transaction, if one is open; a connection that cannot even do that is closed."""
        if self.lost or self._connection.info.transaction_status == pq.TransactionStatus.IDLE:
            return
        try:
            self.run(_ROLLBACK)
        except ConnectionFailed:
            self.close()

    def abort(self) -> None:
        """Tear the connection under a statement that is running in another thread, which then fails."""
        with contextlib.suppress(OSError, psycopg.Error):  # gone already
            with socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Say goodbye and close; safe to repeat."""
        self._connection.close()


def _readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows, where select() takes a socket of any number
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _unknown(error: ConnectionFailed) -> CommitOutcomeUnknown:
    return CommitOutcomeUnknown(
        f"the connection was lost before COMMIT was answered ({error.args[0]}); the changes may or may "
        "not be there: read the data before running the transaction again",
        sqlstate=error.sqlstate,
    )
