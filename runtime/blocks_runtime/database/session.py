# Auto-generated from aio/session.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""One connection to Aurora DSQL, restricted to the commands that DSQL supports.

This is the one module that calls psycopg. Its decisions are made by pure modules (`target`, `classification`,
`shared.retry`).
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import time
from typing import cast

import psycopg
from psycopg import generators, pq
from psycopg.adapt import Transformer
from psycopg.rows import dict_row
from psycopg.types.json import JsonDumper

from ..contract import CONNECTION_SECONDS
from ..errors import ConnectionFailed, DeadlineExceeded, QueryFailed, TransactionAborted
from ..shared.deadline import earliest, not_sent
from .classification import manual_transaction_control, translate, unknown_commit
from .message_size import check_length, may_be_too_long
from .primitives import Connection, Cursor
from .read_only import changes_session, may_set

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from psycopg.pq.abc import PGresult

    from ..errors import DatabaseError
    from .fragments import Sql
    from .instrumentation import Instrumentation
    from .primitives import Permit
    from .row_factories import Factory
    from .target import Target

LIFETIME = (CONNECTION_SECONDS - 15 * 60.0, CONNECTION_SECONDS - 5 * 60.0)
"""Seconds, drawn from this range, after which a connection is replaced; DSQL closes it at `CONNECTION_SECONDS`."""

IDLE = 20.0
"""Seconds without use after which a connection is checked before it is used again."""

PING_TIMEOUT = 3.0
"""Seconds in which an idle connection must answer; Lambda may have frozen the sandbox, and the server may be gone."""

PIECE = 64 * 1024
"""Bytes of a COPY sent in one message."""

KEPT = 1000
"""Rows of the last result that may stay in memory while a connection is idle."""

# psycopg drops the statements it prepared with DEALLOCATE <name>, which DSQL refuses, unless libpq can close
# them in the protocol (17 and later). AWS user guide, "supported SQL"; psycopg documentation, "Prepared
# statements".
_PREPARE_AFTER = 5 if psycopg.capabilities.has_send_close_prepared() else None

_CHUNKED = psycopg.capabilities.has_stream_chunked()
_STALE_PLAN = "cached plan must not change result type"
_NO_SUCH_PLAN = "26000"
_SETTING = (b"SET", b"RESET", b"DO")
"""Command tags of statements that set parameters of the session, or may."""
_REPORTED = (b"TimeZone", b"DateStyle", b"IntervalStyle", b"client_encoding", b"search_path")
"""Parameters whose changes PostgreSQL reports to the client, `search_path` from 18 on ("Asynchronous Operations")."""


def open_session(
    target: Target, password: str, *, watch: Instrumentation | None = None, until: float | None = None
) -> Session:
    """Connect, with TLS verified.

    Raises:
        AccessDenied: the token or the database role was refused.
        ConnectionFailed: any other reason; `retryable` where waiting helps.
    """
    parameters = target.parameters(password, pq.version())
    del password
    if until is not None:
        left = max(1, round(until - time.monotonic()))
        parameters["connect_timeout"] = min(left, int(parameters["connect_timeout"]))
    try:
        connection = Connection.connect(
            **parameters,  # type: ignore[arg-type]
            autocommit=True,
            cursor_factory=Cursor,
            row_factory=dict_row,
            prepare_threshold=_PREPARE_AFTER,
        )
    except psycopg.Error as error:
        del parameters  # with the token, which a traceback with local variables would show
        raise translate(error, lost=True) from error.with_traceback(None)
    connection.adapters.register_dumper(dict, _JsonText)
    return Session(connection, watch)


class _JsonText(JsonDumper):
    """Dumper of a dict as JSON text of unknown type, which the server takes as json, jsonb or text."""

    oid = 0


class Session:
    """A connection with its state and age. It runs one statement at a time."""

    _cursor: Cursor
    _row_factory: Factory

    def __init__(self, connection: Connection, watch: Instrumentation | None = None) -> None:
        self.statements = 0
        """Number of statements executed, BEGIN, COMMIT and ROLLBACK included."""
        self.permit: Permit | None = None
        """The permit that its user holds in the pool."""
        self._process = os.getpid()
        self._connection = connection
        self._instrumentation = watch
        self._renew_cursor()
        self._descriptor = connection.fileno()
        self._ends = _ends_of(self._descriptor)
        self._readable = readability_check(self._descriptor)
        self._settings = self._reported()
        self._called = self._stale = False
        self._streaming = False
        self._expires = time.monotonic() + random.uniform(*LIFETIME)  # noqa: S311 (jitter, not a secret)
        self._expires_by_wall = time.time() + self._expires - time.monotonic()
        self._used = time.monotonic(), time.time()

    @property
    def usable(self) -> bool:
        """False once it is closed, too old, or the server has sent an unrequested message, which announces a close.

        Both clocks count: a frozen sandbox stops the monotonic one, and setting the time moves the other.
        """
        if self._connection.pgconn.transaction_status != pq.TransactionStatus.IDLE or self._stale:
            return False
        if time.monotonic() > self._expires or time.time() > self._expires_by_wall:
            return False
        return not self._readable()

    def reset(self) -> bool:
        """Drop a large result; return whether the connection is as it was opened, and outside of a transaction."""
        if self._cursor.rowcount > KEPT:
            self._renew_cursor()
        if self._stale or not self.outside:
            return False
        if self._called:  # a function may have set parameters
            self._called, self._stale = False, self._reported() != self._settings
        return not self._stale

    def _reported(self) -> tuple[bytes | None, ...]:
        """Return parameters of the session as the server has reported them; None for those that it does not report."""
        return tuple(map(self._connection.pgconn.parameter_status, _REPORTED))

    @property
    def _was_idle(self) -> bool:
        """True if it was unused for so long that the server may have vanished without closing it."""
        monotonic, wall = self._used
        return time.monotonic() - monotonic > IDLE or not 0 <= time.time() - wall <= IDLE

    @property
    def lost(self) -> bool:
        """True once the connection is closed or broken."""
        return self._connection.closed or self._connection.broken

    @property
    def outside(self) -> bool:
        """True if the connection works and has no open transaction."""
        return self._connection.pgconn.transaction_status == pq.TransactionStatus.IDLE

    @property
    def streaming(self) -> bool:
        """True while rows of a stream are still to come."""
        return self._streaming

    @property
    def failed(self) -> bool:
        """True if the open transaction cannot be committed any more."""
        return self.lost or self._connection.pgconn.transaction_status == pq.TransactionStatus.INERROR

    def run(self, statement: Sql, row_factory: Factory = dict_row, until: float | None = None) -> Cursor:
        """Execute one statement with its values bound by the server.

        The cursor is good until the next statement. `until` is the `time.monotonic()` at which to give up.

        Raises:
            DeadlineExceeded: no answer at `until`; the connection is closed.
            DatabaseError: of the class that fits; `ConnectionFailed` where the connection tore.
        """
        if self._instrumentation is None or not self._instrumentation.enabled:
            return self._execute(statement, row_factory, until)
        with self._instrumentation.statement(statement.text) as seen:
            cursor = self._execute(statement, row_factory, until)
            seen.rows = max(cursor.rowcount, 0)
            return cursor

    def _execute(self, statement: Sql, row_factory: Factory, until: float | None) -> Cursor:
        if may_be_too_long(statement):
            self._check_length(statement)
        self._prepare(until)
        cursor = self._cursor
        if row_factory is not self._row_factory:  # setting it makes psycopg look at the last result again
            self._row_factory = cursor.row_factory = row_factory
        before = self._connection.pgconn.transaction_status
        try:
            cursor.execute(statement.text, statement.values or None)
        except psycopg.Error as error:
            raise self._failure(error, until, statement) from error
        self._used = time.monotonic(), time.time()
        if self._connection.pgconn.transaction_status != before:
            raise manual_transaction_control(cursor.statusmessage or "")
        tag = cursor.pgresult.command_status if cursor.pgresult is not None else None
        if (tag in _SETTING or may_set(statement.text)) and changes_session(statement):
            self._stale = True  # closed on release: the next user gets the default settings
        elif "(" in statement.text:
            self._called = True
        return cursor

    def copy(self, statement: Sql, body: bytes, until: float | None = None) -> int:
        """Send `body` to a COPY … FROM STDIN, and return how many rows the server took.

        Raises:
            DeadlineExceeded: no answer at `until`; the connection is closed.
            DatabaseError: of the class that fits; `ConnectionFailed` where the connection tore.
        """
        if self._instrumentation is None or not self._instrumentation.enabled:
            return self._copy(statement, body, until)
        with self._instrumentation.statement(statement.text) as seen:
            seen.rows = rows = self._copy(statement, body, until)
            return rows

    def _copy(self, statement: Sql, body: bytes, until: float | None) -> int:
        """Run the COPY on libpq: psycopg's own does not handle a COMMIT that fails or a connection that breaks."""
        self._prepare(until)
        pgconn, wait = self._connection.pgconn, self._connection.wait
        try:
            pgconn.send_query(statement.text.encode())
            _succeeded(wait(generators.execute(pgconn)))
            for start in range(0, len(body), PIECE):
                wait(generators.copy_to(pgconn, body[start : start + PIECE], flush=True))
            pgconn.put_copy_end()
            result = _succeeded(wait(generators.execute(pgconn)))
        except psycopg.Error as error:
            raise self._failure(error, until, statement) from error
        self._used = time.monotonic(), time.time()
        return result.command_tuples or 0

    def _renew_cursor(self) -> None:
        """Make the one cursor for all statements: psycopg caches in it what it has prepared for a repeated one."""
        self._cursor = Cursor(self._connection, row_factory=dict_row)
        self._row_factory = dict_row

    def _command(self, command: str, until: float | None) -> str:
        """Execute BEGIN, COMMIT, ROLLBACK or a ping without a cursor, in half the time; return the command tag."""
        if self._instrumentation is None or not self._instrumentation.enabled:
            return self._send(command, until)
        with self._instrumentation.statement(command):
            return self._send(command, until)

    def _send(self, command: str, until: float | None) -> str:
        self._prepare(until)
        pgconn = self._connection.pgconn
        try:
            pgconn.send_query(command.encode())
            result = _succeeded(self._connection.wait(generators.execute(pgconn)))
        except psycopg.Error as error:
            raise self._failure(error, until) from error
        self._used = time.monotonic(), time.time()
        return (result.command_status or b"").decode()

    def _prepare(self, until: float | None) -> None:
        """Check that a statement may be sent, and set `until` for its reply."""
        if until is not None and time.monotonic() >= until:
            raise not_sent()
        if self._process != os.getpid():
            raise QueryFailed(
                "the transaction belongs to the process that this one was forked from",
                advice="begin one here: the database opens connections of its own in each process",
            )
        if self._streaming:  # psycopg would wait for the end of the stream, which the application reads
            raise QueryFailed(
                "rows of a stream are still to come; read it to its end first, or collect the rows"
            )
        self._connection.until = until
        self.statements += 1

    def _check_length(self, statement: Sql) -> None:
        """Refuse a statement whose messages are too long for the server, before one is sent."""
        try:
            check_length(statement, Transformer(self._connection))
        except psycopg.Error as error:  # a value that cannot be adapted
            raise self._failure(error, None, statement) from error

    def stream(
        self, statement: Sql, row_factory: Factory, until: float | None, size: int
    ) -> Generator[Any, None]:
        """Yield the rows of a statement while they arrive, `size` at a time in memory.

        The connection is closed where the caller stops before the last row: DSQL would send the rest.
        """
        rows = self._arriving(statement, row_factory, until, size)
        if self._instrumentation is None or not self._instrumentation.enabled:
            return rows
        return self._watched(self._instrumentation, statement, rows)

    def _watched(
        self, watch: Instrumentation, statement: Sql, rows: Generator[Any, None]
    ) -> Generator[Any, None]:
        """Count the rows; the span is not the current one, as the work of the caller between rows is not part of it."""
        with watch.statement(statement.text, current=False) as seen:
            try:
                for row in rows:
                    seen.rows += 1
                    yield row
            finally:
                close_generator(rows)

    def _arriving(
        self, statement: Sql, row_factory: Factory, until: float | None, size: int
    ) -> Generator[Any, None]:
        if may_be_too_long(statement):
            self._check_length(statement)
        cursor = Cursor(self._connection, row_factory=row_factory)
        self._prepare(until)
        arriving = cursor.stream(statement.text, statement.values or None, size=size if _CHUNKED else 1)
        rows = cast("Generator[Any, None]", arriving)
        self._streaming = True
        try:
            for row in rows:
                yield row
        except psycopg.Error as error:
            raise self._failure(error, until, statement) from error
        except BaseException:
            self.close()
            raise
        finally:
            self._streaming = False
            close_generator(rows)
            self._called, self._stale = True, self._stale or changes_session(statement)
        self._used = time.monotonic(), time.time()

    def ping_if_idle(self, until: float | None = None) -> None:
        """Ping the server if the connection was idle for more than `IDLE` seconds.

        Raises:
            ConnectionFailed: the server did not answer.
        """
        if self._was_idle:
            self.ping(until)

    def ping(self, until: float | None = None) -> None:
        """Run `SELECT 1`.

        Raises:
            ConnectionFailed: the server did not answer.
        """
        self._promptly("SELECT 1", until)

    def begin(self, until: float | None = None) -> None:
        """Open a transaction; DSQL has one isolation level, so there is no option."""
        if self._was_idle:
            self._promptly("BEGIN", until)
        else:
            self._command("BEGIN", until)

    def begin_read_only(self, until: float | None = None) -> None:
        """Open a transaction that cannot write."""
        self._promptly("BEGIN READ ONLY", until)

    def commit(self, until: float | None = None) -> None:
        """Commit, and check that the reply is COMMIT.

        Raises:
            SerializationFailure: another transaction committed a conflicting change first.
            TransactionAborted: the server rolled back instead, because a statement had failed; or the connection was
                closed or lost before.
            DeadlineExceeded: `until` had passed before COMMIT was sent.
            CommitOutcomeUnknown: no reply arrived.
        """
        if self.lost:
            raise TransactionAborted(
                "the connection was lost or closed during a statement of the transaction, "
                "so COMMIT was not sent and nothing was committed"
            )
        try:
            done = self._command("COMMIT", until)
        except ConnectionFailed as error:
            raise unknown_commit(error) from error.__cause__
        except DeadlineExceeded as error:
            if not error.sent:
                raise
            raise unknown_commit(error) from error.__cause__
        if done != "COMMIT":
            raise TransactionAborted(
                f"COMMIT was answered {done}: a statement of the transaction had failed, nothing was committed",
                sqlstate="25P02",
            )

    def rollback(self) -> None:
        """Roll back the open transaction, if any; close the connection if that fails."""
        if self.lost or self._connection.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            return
        if self._process != os.getpid():
            return
        if self._streaming or self._connection.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            self.close()  # a reply is outstanding: the caller was interrupted while waiting for it
            return
        try:
            self._command("ROLLBACK", time.monotonic() + PING_TIMEOUT)
        except (ConnectionFailed, DeadlineExceeded):
            self.close()

    def abort(self) -> None:
        """Shut the socket down under a statement that runs in another thread or task, which then fails.

        It does not touch the driver's connection, which that statement uses. A forked process does nothing.
        """
        if self._process != os.getpid() or self._ends is None:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as wire:
            if (
                wire.getsockname(),
                wire.getpeername(),
            ) == self._ends:  # else closed, and its number is in use again
                wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Send Terminate and close without waiting; safe to repeat. A forked process sends nothing."""
        if self._process == os.getpid():
            self._connection.pgconn.finish()

    def _promptly(self, command: str, until: float | None) -> None:
        """Execute a command with a reply due within `PING_TIMEOUT`."""
        soon = time.monotonic() + PING_TIMEOUT
        try:
            self._command(command, earliest(until, soon))
        except DeadlineExceeded as error:
            if until is not None and until < soon:
                raise
            raise ConnectionFailed("the connection was lost while it was idle") from error

    def _failure(
        self, error: psycopg.Error, until: float | None, statement: Sql | None = None
    ) -> DatabaseError:
        """Return the runtime's error for one of psycopg's; a plan made stale by a migration is retryable."""
        if self.lost and until is not None and time.monotonic() >= until:
            failure: DatabaseError = DeadlineExceeded(
                "no answer before the deadline, so the connection was closed"
            )
        else:
            values = () if statement is None else statement.values
            failure = translate(error, values, lost=self.lost)
        if (
            error.sqlstate is not None
        ):  # the text of the cause, which tracebacks print, may quote values; `diag` has it
            error.args = failure.args
        failure.statement = None if statement is None else statement.text
        # Another connection has no prepared statements, so the statement can be run again there.
        if _STALE_PLAN in failure.args[0] or failure.sqlstate == _NO_SUCH_PLAN:
            failure.retryable = self._stale = True
        return failure


def close_generator(rows: Generator[Any, None]) -> None:
    """Close a generator of rows, unless the event loop is shutting down, which closes all generators itself."""
    with contextlib.suppress(RuntimeError):
        rows.close()


def _ends_of(descriptor: int) -> object:
    """Return the two addresses that identify a TCP connection, None on a system that cannot tell them."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as wire:
        return wire.getsockname(), wire.getpeername()
    return None


def readability_check(descriptor: int) -> Callable[[], object]:
    """Return a function that returns whether there is something to read."""
    if not hasattr(select, "poll"):  # Windows, where select() takes a socket of any number
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: poll.poll(0)


def _succeeded(results: list[PGresult]) -> PGresult:
    """Return the last result of a command, unless one is an error."""
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
    return results[-1]
