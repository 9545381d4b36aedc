"""One connection to Aurora DSQL, restricted to the commands that DSQL supports.

This is the one module that sends statements. Its decisions are made by pure modules (`target`, `classification`,
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
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import JsonDumper

from ...contract import CONNECTION_SECONDS
from ...errors import ConnectionFailed, DeadlineExceeded, QueryFailed, TransactionAborted
from ...shared.deadline import earliest, not_sent
from ..classification import manual_transaction_control, translate, unknown_commit
from ..cursor import Cursor
from ..message_size import check_length, may_be_too_long
from ..prepared import PreparedStatements
from ..read_only import changes_session, may_set
from ..row_factories import dict_rows
from .primitives import Connection

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Any

    from psycopg.pq.abc import PGresult
    from psycopg.rows import BaseRowFactory

    from ...errors import DatabaseError
    from ..fragments import Sql
    from ..instrumentation import Instrumentation
    from ..row_factories import Factory
    from ..target import Target
    from .primitives import Permit

LIFETIME = (CONNECTION_SECONDS - 15 * 60.0, CONNECTION_SECONDS - 5 * 60.0)
"""Seconds, drawn from this range, after which a connection is replaced; DSQL closes it at `CONNECTION_SECONDS`."""

IDLE = 20.0
"""Seconds without use after which a connection is checked before it is used again."""

PING_TIMEOUT = 3.0
"""Seconds in which an idle connection must answer; Lambda may have frozen the sandbox, and the server may be gone."""

_CONVERSIONS = 1000
"""Statements for which the classes of bound values are remembered, with the ways to convert them."""

PIECE = 64 * 1024
"""Bytes of a COPY sent in one message."""

_AUTO = PyFormat.AUTO
_BAD = pq.ConnStatus.BAD
_IDLE = pq.TransactionStatus.IDLE
_ROWS = pq.ExecStatus.TUPLES_OK
_ERROR = pq.ExecStatus.FATAL_ERROR
_COPYING = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)

_CHUNKED = psycopg.capabilities.has_stream_chunked()
_STALE_PLAN = "cached plan must not change result type"
_NO_SUCH_PLAN = "26000"
_SETTING = (b"SET", b"RESET", b"DO")
"""Command tags of statements that set parameters of the session, or may."""
_CHANGING_PLANS = (b"DROP", b"ALTER", b"DISCARD", b"DEALLOCATE")
"""Beginnings of command tags of statements after which prepared ones may not be valid, or not be there."""
_REPORTED = (b"TimeZone", b"DateStyle", b"IntervalStyle", b"client_encoding", b"search_path")
"""Parameters whose changes PostgreSQL reports to the client, `search_path` from 18 on ("Asynchronous Operations")."""


async def open_session(
    target: Target, password: str, *, watch: Instrumentation | None = None, until: float | None = None
) -> AsyncSession:
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
        connection = await Connection.connect(
            **parameters,  # type: ignore[arg-type]
            autocommit=True,
        )
    except psycopg.Error as error:
        del parameters  # with the token, which a traceback with local variables would show
        raise translate(error, lost=True) from error.with_traceback(None)
    connection.adapters.register_dumper(dict, _JsonText)
    return AsyncSession(connection, watch)


class _JsonText(JsonDumper):
    """Dumper of a dict as JSON text of unknown type, which the server takes as json, jsonb or text."""

    oid = 0


class AsyncSession:
    """A connection with its state and age. It runs one statement at a time."""

    def __init__(self, connection: Connection, watch: Instrumentation | None = None) -> None:
        self.statements = 0
        """Number of statements executed, BEGIN, COMMIT and ROLLBACK included."""
        self.permit: Permit | None = None
        """The permit that its user holds in the pool."""
        self._process = os.getpid()
        self._connection = connection
        self._pgconn = connection.pgconn
        self._instrumentation = watch
        self._settings = self._reported()
        self._cursor = Cursor(connection, self._settings)
        self._converted_until = _CONVERSIONS
        self._prepared = PreparedStatements()
        self._descriptor = connection.fileno()
        self._ends = _ends_of(self._descriptor)
        self._readable = readability_check(self._descriptor)
        self._called = self._stale = False
        self._streaming = False
        self._expires = time.monotonic() + random.uniform(*LIFETIME)  # noqa: S311 (jitter, not a secret)
        self._expires_by_wall = time.time() + self._expires - time.monotonic()
        self._used = time.monotonic(), time.time()
        self._was_idle = False
        """True if it was unused, when `usable` was asked last, for so long that the server may have vanished."""

    @property
    def usable(self) -> bool:
        """False once it is closed, too old, or the server has sent an unrequested message, which announces a close.

        Both clocks count: a frozen sandbox stops the monotonic one, and setting the time moves the other.
        """
        if self._pgconn.transaction_status != _IDLE or self._stale:
            return False
        monotonic, wall = time.monotonic(), time.time()
        if monotonic > self._expires or wall > self._expires_by_wall:
            return False
        used, used_by_wall = self._used
        self._was_idle = monotonic - used > IDLE or not 0 <= wall - used_by_wall <= IDLE
        return not self._readable()

    def reset(self) -> bool:
        """Drop the result; return whether the connection is as it was opened, and outside of a transaction."""
        self._cursor.clear()
        if self.statements > self._converted_until:  # an application may make classes without end
            self._converted_until = self.statements + _CONVERSIONS
            self._cursor = Cursor(self._connection, self._cursor.settings)
        if self._stale or not self.outside:
            return False
        if self._called:  # a function may have set parameters
            self._convert_as_set()
            self._called, self._stale = False, self._cursor.settings != self._settings
        return not self._stale

    def _convert_as_set(self) -> None:
        """Convert values from now on by the parameters that the session has now."""
        settings = self._reported()
        if settings != self._cursor.settings:
            self._cursor = Cursor(self._connection, settings)

    def _reported(self) -> tuple[bytes | None, ...]:
        """Return parameters of the session as the server has reported them; None for those that it does not report."""
        return tuple(map(self._pgconn.parameter_status, _REPORTED))

    @property
    def lost(self) -> bool:
        """True once the connection is closed or broken."""
        return self._pgconn.status == _BAD

    @property
    def outside(self) -> bool:
        """True if the connection works and has no open transaction."""
        return self._pgconn.transaction_status == _IDLE

    @property
    def streaming(self) -> bool:
        """True while rows of a stream are still to come."""
        return self._streaming

    @property
    def failed(self) -> bool:
        """True if the open transaction cannot be committed any more."""
        return self.lost or self._pgconn.transaction_status == pq.TransactionStatus.INERROR

    async def run(
        self, statement: Sql, row_factory: Factory = dict_rows, until: float | None = None
    ) -> Cursor:
        """Execute one statement with its values bound by the server.

        The cursor is good until the next statement. `until` is the `time.monotonic()` at which to give up.

        Raises:
            DeadlineExceeded: no answer at `until`; the connection is closed.
            DatabaseError: of the class that fits; `ConnectionFailed` where the connection tore.
        """
        if self._instrumentation is None or not self._instrumentation.enabled:
            return await self._execute(statement, row_factory, until)
        with self._instrumentation.statement(statement.text) as seen:
            cursor = await self._execute(statement, row_factory, until)
            seen.rows = cursor.count
            return cursor

    async def _execute(self, statement: Sql, row_factory: Factory, until: float | None) -> Cursor:
        text = statement.text
        if may_be_too_long(statement):
            self._check_length(statement)
        self._prepare(until)
        pgconn = self._pgconn
        self._cursor.clear()  # the last result stays in memory no longer than needed
        before = pgconn.transaction_status
        try:
            result = await self._answer(text, statement.values)
        except psycopg.Error as error:
            raise self._failure(error, until, statement) from error
        self._used = time.monotonic(), time.time()
        if pgconn.transaction_status != before:
            raise manual_transaction_control((result.command_status or b"").decode())
        if "(" in text or result.status != _ROWS:
            self._note_effects(statement, result)
            if self._called:
                self._convert_as_set()  # the statement may have set parameters before it made its rows
        cursor = self._cursor
        cursor.show(result, row_factory)
        return cursor

    async def _answer(self, text: str, values: tuple[object, ...]) -> PGresult:
        """Send a statement by the extended protocol, in which one text holds one statement, and return the result.

        In the simple protocol, which psycopg uses where there are no values, PostgreSQL runs every statement of a
        text: a COMMIT among them would end a transaction. In the extended one it refuses the text before it runs any
        of it (42601). Source: PostgreSQL 16 documentation, "Multiple Statements in a Simple Query".
        """
        pgconn = self._pgconn
        if self._called:
            self._convert_as_set()
        transformer = self._cursor.transformer
        if values:
            written = transformer.dump_sequence(values, [_AUTO] * len(values))
            types, formats = transformer.types or (), transformer.formats
        else:
            written, types, formats = None, (), None
        name = self._prepared.names.get((text, types))
        if name is None and self._prepared.due((text, types)):
            name = await self._prepare_on_server(text, types)
        if name is None:
            pgconn.send_query_params(
                text.encode(transformer.encoding), written, param_types=types, param_formats=formats
            )
        else:
            pgconn.send_query_prepared(name, written, param_formats=formats)
        result = _succeeded(await self._connection.wait(generators.execute(pgconn)))
        if result.status in _COPYING:
            raise psycopg.ProgrammingError("COPY cannot be used with this method; use copy() instead")
        return result

    async def _prepare_on_server(self, text: str, types: tuple[int, ...]) -> bytes:
        """Prepare a statement, in the place of those that are not needed any more, and return its name."""
        pgconn, wait = self._pgconn, self._connection.wait
        for old in self._prepared.take_surplus():
            pgconn.send_close_prepared(old)
            _succeeded(await wait(generators.execute(pgconn)))
        name = self._prepared.new_name()
        pgconn.send_prepare(name, text.encode(self._cursor.transformer.encoding), param_types=types)
        _succeeded(await wait(generators.execute(pgconn)))
        self._prepared.names[text, types] = name
        return name

    def _note_effects(self, statement: Sql, result: PGresult) -> None:
        """Note whether a statement may have set parameters of the session, or changed what prepared ones refer to."""
        if "(" in statement.text:  # no function is called without
            self._called = True
            if may_set(statement.text) and changes_session(statement):
                self._stale = True  # closed on release: the next user gets the default settings
        tag = result.command_status or b""
        if tag in _SETTING:
            self._called = True
            self._stale = self._stale or changes_session(statement)
        elif tag.startswith(_CHANGING_PLANS):
            self._prepared.forget()

    async def copy(self, statement: Sql, body: bytes, until: float | None = None) -> int:
        """Send `body` to a COPY … FROM STDIN, and return how many rows the server took.

        Raises:
            DeadlineExceeded: no answer at `until`; the connection is closed.
            DatabaseError: of the class that fits; `ConnectionFailed` where the connection tore.
        """
        if self._instrumentation is None or not self._instrumentation.enabled:
            return await self._copy(statement, body, until)
        with self._instrumentation.statement(statement.text) as seen:
            seen.rows = rows = await self._copy(statement, body, until)
            return rows

    async def _copy(self, statement: Sql, body: bytes, until: float | None) -> int:
        """Run the COPY on libpq: psycopg's own does not handle a COMMIT that fails or a connection that breaks."""
        self._prepare(until)
        pgconn, wait = self._pgconn, self._connection.wait
        try:
            pgconn.send_query(statement.text.encode())
            _succeeded(await wait(generators.execute(pgconn)))
            for start in range(0, len(body), PIECE):
                await wait(generators.copy_to(pgconn, body[start : start + PIECE], flush=True))
            pgconn.put_copy_end()
            result = _succeeded(await wait(generators.execute(pgconn)))
        except psycopg.Error as error:
            raise self._failure(error, until, statement) from error
        self._used = time.monotonic(), time.time()
        return result.command_tuples or 0

    async def _command(self, command: str, until: float | None) -> str:
        """Execute BEGIN, COMMIT, ROLLBACK or a ping without a cursor, in half the time; return the command tag."""
        if self._instrumentation is None or not self._instrumentation.enabled:
            return await self._send(command, until)
        with self._instrumentation.statement(command):
            return await self._send(command, until)

    async def _send(self, command: str, until: float | None) -> str:
        self._prepare(until)
        pgconn = self._pgconn
        try:
            pgconn.send_query(command.encode())
            result = _succeeded(await self._connection.wait(generators.execute(pgconn)))
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
    ) -> AsyncGenerator[Any, None]:
        """Yield the rows of a statement while they arrive, `size` at a time in memory.

        The connection is closed where the caller stops before the last row: DSQL would send the rest.
        """
        rows = self._arriving(statement, row_factory, until, size)
        if self._instrumentation is None or not self._instrumentation.enabled:
            return rows
        return self._watched(self._instrumentation, statement, rows)

    async def _watched(
        self, watch: Instrumentation, statement: Sql, rows: AsyncGenerator[Any, None]
    ) -> AsyncGenerator[Any, None]:
        """Count the rows; the span is not the current one, as the work of the caller between rows is not part of it."""
        with watch.statement(statement.text, current=False) as seen:
            try:
                async for row in rows:
                    seen.rows += 1
                    yield row
            finally:
                await close_generator(rows)

    async def _arriving(
        self, statement: Sql, row_factory: Factory, until: float | None, size: int
    ) -> AsyncGenerator[Any, None]:
        if may_be_too_long(statement):
            self._check_length(statement)
        cursor = psycopg.AsyncRawCursor(self._connection, row_factory=_of_names(row_factory))
        self._prepare(until)
        arriving = cursor.stream(statement.text, statement.values or None, size=size if _CHUNKED else 1)
        rows = cast("AsyncGenerator[Any, None]", arriving)
        self._streaming = True
        try:
            async for row in rows:
                yield row
        except psycopg.Error as error:
            raise self._failure(error, until, statement) from error
        except BaseException:
            self.close()
            raise
        finally:
            self._streaming = False
            await close_generator(rows)
            self._called, self._stale = True, self._stale or changes_session(statement)
        self._used = time.monotonic(), time.time()

    async def ping_if_idle(self, until: float | None = None) -> None:
        """Ping the server if the connection was idle for more than `IDLE` seconds.

        Raises:
            ConnectionFailed: the server did not answer.
        """
        if self._was_idle:
            await self.ping(until)

    async def ping(self, until: float | None = None) -> None:
        """Run `SELECT 1`.

        Raises:
            ConnectionFailed: the server did not answer.
        """
        await self._promptly("SELECT 1", until)

    async def begin(self, until: float | None = None) -> None:
        """Open a transaction; DSQL has one isolation level, so there is no option."""
        if self._was_idle:
            await self._promptly("BEGIN", until)
        else:
            await self._command("BEGIN", until)

    async def begin_read_only(self, until: float | None = None) -> None:
        """Open a transaction that cannot write."""
        await self._promptly("BEGIN READ ONLY", until)

    async def commit(self, until: float | None = None) -> None:
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
            done = await self._command("COMMIT", until)
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

    async def rollback(self) -> None:
        """Roll back the open transaction, if any; close the connection if that fails."""
        if self.lost or self._pgconn.transaction_status == _IDLE:
            return
        if self._process != os.getpid():
            return
        if self._streaming or self._pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            self.close()  # a reply is outstanding: the caller was interrupted while waiting for it
            return
        try:
            await self._command("ROLLBACK", time.monotonic() + PING_TIMEOUT)
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
            self._pgconn.finish()

    async def _promptly(self, command: str, until: float | None) -> None:
        """Execute a command with a reply due within `PING_TIMEOUT`."""
        soon = time.monotonic() + PING_TIMEOUT
        try:
            await self._command(command, earliest(until, soon))
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


def _of_names(factory: Factory) -> BaseRowFactory[Any]:
    """Return psycopg's kind of row factory, which takes a cursor."""
    return lambda cursor: factory([column.name for column in cursor.description or ()])


async def close_generator(rows: AsyncGenerator[Any, None]) -> None:
    """Close a generator of rows, unless the event loop is shutting down, which closes all generators itself."""
    with contextlib.suppress(RuntimeError):
        await rows.aclose()


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
        if result.status == _ERROR:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
    if not results:
        raise psycopg.InternalError("there is no result")
    return results[-1]
