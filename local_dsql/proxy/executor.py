"""What is done with a session's backend for one unit that reads, writes or configures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.occ import size, statements, verdicts
from local_dsql.occ.parking import BACK_TO_BASE, OPEN, resume
from local_dsql.occ.privilege import privileged_rows
from local_dsql.occ.waiting import ask
from local_dsql.proxy import errors
from local_dsql.proxy.copy_in import after_copy_in, take_rows
from local_dsql.proxy.replay import request_for
from local_dsql.proxy.row_counter import Counter
from local_dsql.proxy.transaction_control import BEGIN
from local_dsql.wire import messages
from local_dsql.wire.response import Response
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import Statement
    from local_dsql.occ.statements import Request
    from local_dsql.occ.transaction import Transaction
    from local_dsql.proxy.session import Session
    from local_dsql.proxy.units import Unit
    from local_dsql.wire.end_finder import EndFinder

_ROLLBACK = messages.query("ROLLBACK")
_FAIL = messages.frame(b"P", b"local_dsql_fail\0fail\0\0\0") + messages.SYNC
"""Fails, and leaves the unnamed statement alone."""

_PARAMETERS = (
    *("application_name", "client_encoding", "datestyle", "extra_float_digits", "intervalstyle"),
    *("search_path", "timezone"),
)


class Work:
    """The doings of one session's backend. Methods that take a unit return whether it succeeded."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.backend = session.backend
        self.engine = session.engine
        self.parsed = 0
        """How many Parse of the last unit PostgreSQL has accepted."""
        self.holds = False
        """The statement is the last of a Query: that it is complete is told once its transaction has committed."""
        self._held = b""

    def fail(self) -> bool:
        """Note that the transaction, if there is one, can only be rolled back; return False."""
        if self.session.transaction is not None:
            self.session.transaction.failed = True
        return False

    async def take_settings_back(self, transaction: Transaction) -> None:
        """See to it that the client is told which parameters an error in its transaction has reset."""
        if transaction.settings:
            transaction.settings.clear()
            async with self.backend.lock:
                await self.backend.request(BACK_TO_BASE)

    # reading and configuring

    async def pass_on(self, unit: Unit, warning: bytes = b"") -> bool:
        """Pass on what writes no rows, and its answer as a whole; tell a warning of ours where it succeeds."""
        while await self._present():
            if self.engine.altering:
                return await self._around_ddl(unit, warning)
            async with self.backend.lock:
                if self._overtaken:
                    continue
                (answer,) = await self.backend.request(unit.request(), bulk=True)
            return self.answered(_with_warning(unit.own(answer), warning))
        return False

    async def prepare(self, unit: Unit) -> bool:
        """Pass on what prepares the end of a transaction, whatever state that is in: it touches nothing."""
        async with self.backend.lock:
            (answer,) = await self.backend.request(unit.request())
        return self.answered(unit.own(answer))

    async def pass_on_failed(self, unit: Unit) -> bool:
        """Pass on what neither reads nor writes, after it has been made sure that PostgreSQL's transaction has failed.

        It has not where the front has refused something, or has let go of the locks.
        """
        async with self.backend.lock:
            _, answer = await self.backend.request(_FAIL + unit.request(), 2)
        answer = unit.own(answer)
        if (fields := answer.error) is not None and fields["C"] == errors.ABORTED.sqlstate:
            answer = Response([*answer.frames[:-1], (b"E", errors.ABORTED.encode())], answer.status)
        return self.answered(answer)

    async def _around_ddl(self, unit: Unit, warning: bytes = b"") -> bool:
        """Run what only reads while somebody's catalog change is not committed yet: it may have to wait."""
        async with self.engine.mutex, self.backend.lock:
            if self.session.transaction is not None and not await self.back():
                return False
            (answer,) = await ask(self.engine, self.session, unit.request(), bulk=True)
        return self.answered(_with_warning(unit.own(answer), warning))

    async def configure(self, unit: Unit, statement: Statement) -> bool:
        """Run SET and its like; in a transaction they are noted, to be repeated should it be parked."""
        transaction = self.session.transaction
        alone = transaction is not None and transaction.implicit and not unit.simple
        if not await self.pass_on(unit, errors.no_block(statement) if alone else b""):
            return False
        if transaction is not None and statement.node in ("VariableSet", "ConstraintsSet"):
            transaction.settings.append(statement.text)
        if statement.node == "Deallocate":
            self.session.names.forget_all()
        return True

    async def read(self, unit: Unit) -> bool:
        """Run a plain read, passing its answer on as it comes."""
        while await self._present():
            if self.engine.altering:
                return await self._around_ddl(unit)
            if self._more_to_tell or unit.offset:
                return await self.pass_on(unit)
            async with self.backend.lock:
                if self._overtaken:
                    continue
                end = await self._relay(unit)
            self.parsed = end.parsed
            return self.fail() if end.failed else True
        return False

    @property
    def _overtaken(self) -> bool:
        """Whether somebody has parked the transaction, or begun to alter the catalog, while we waited for our turn."""
        transaction = self.session.transaction
        if transaction is None or transaction.failed:  # one that has failed does not come back
            return self.engine.altering > 0
        return self.engine.altering > 0 or transaction.parked is not None

    async def _relay(self, unit: Unit) -> EndFinder:
        done: asyncio.Future[EndFinder] = asyncio.get_running_loop().create_future()
        sink = _WithoutReady(self._send, messages.PARSE_COMPLETE if unit.borrowed else b"")
        self.backend.relay(unit.request(), sink, done.set_result)
        return await done

    # writing

    async def write(self, unit: Unit, statement: Statement) -> bool:
        """Run a statement that changes or locks something."""
        session = self.session
        if session.transaction is None and statement.writes and not statement.takes_rows:
            return await self._write_alone(unit, statement)
        if session.transaction is None:
            await session.transactions.begin_implicit()
        transaction = session.transaction
        assert transaction is not None
        rows = b""
        if statement.takes_rows:
            taken = await take_rows(session, unit)
            if taken is None:
                return self.fail()
            rows = taken
        request = request_for(unit, statement, session.names, rows)
        counter = Counter(self.engine, self.backend, statement, in_pieces=unit.is_limited or unit.goes_on)
        async with self.engine.mutex, self.backend.lock:
            if not await self.back():
                return False
            await counter.begin()
            answer = unit.own(await statements.run(self.engine, session, request))
            if statement.sets_parameters and answer.error is None:
                transaction.settings.append(await self._parameters(statement))
            changed = await counter.end(answer)
            answer = await self._unless_too_large(statement, request, answer)
        parsed = self.parsed
        if rows:
            answer = Response(after_copy_in(answer.frames), answer.status)
        done = await self._account(transaction, statement, answer, changed)
        self.parsed = max(self.parsed, parsed)
        return done

    async def _parameters(self, statement: Statement) -> str:
        """Return what sets the parameters as they are now, after a statement that has called set_config().

        Its arguments may have been anything; that it sets for the transaction alone is believed where it says so.
        """
        local = str(statement.sets_for_transaction).lower()
        names = ", ".join(map(literal, _PARAMETERS))
        (answer,) = await self.backend.request(
            messages.side_query(
                "SELECT pg_catalog.string_agg(pg_catalog.format("
                f"'pg_catalog.set_config(%L, %L, {local})', name, setting), ', ')"
                f" FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) IN ({names})"
            )
        )
        return f"SELECT {answer.rows()[0][0]}"

    async def _write_alone(self, unit: Unit, statement: Statement) -> bool:
        """Run the first statement of an implicit transaction together with its BEGIN.

        It cannot lose: if somebody commits over its rows while it waits for the mutex, it just begins anew.
        """
        session = self.session
        request = request_for(unit, statement, session.names)
        counter = Counter(self.engine, self.backend, statement, in_pieces=unit.is_limited or unit.goes_on)
        async with self.engine.mutex, self.backend.lock:
            await counter.begin()
            opened, whole = await self._begin_and_run(request)
            answer = unit.own(whole)
            session.transactions.opened(opened, self.engine.moment, implicit=True)  # the mutex keeps it exact
            changed = await counter.end(answer)
            answer = await self._unless_too_large(statement, request, answer)
        assert session.transaction is not None
        return await self._account(session.transaction, statement, answer, changed)

    async def _unless_too_large(self, statement: Statement, request: Request, answer: Response) -> Response:
        """Return the answer, or the refusal of what the statement has stored."""
        if len(request.data) < size.LARGE_REQUEST or answer.error is not None or not statement.writes:
            return answer
        transaction = self.session.transaction
        assert transaction is not None
        refusal = await size.too_large(self.engine, self.session, transaction, statement.tables_written)
        return answer if refusal is None else Response([(b"E", refusal.encode())], messages.FAILED)

    async def _begin_and_run(self, request: Request) -> tuple[Response, Response]:
        data = request.data
        while True:
            _, opened, answer = await ask(self.engine, self.session, BEGIN + OPEN + data, 3, bulk=True)
            fields = answer.error
            if fields is None or fields["C"] != "40001":
                return opened, statements.without(answer, request.surplus if data is request.again else {})
            data = request.again
            await self.backend.request(_ROLLBACK)

    async def _account(
        self, transaction: Transaction, statement: Statement, answer: Response, changed: int
    ) -> bool:
        """Note what the statement has done, hold it against the limits, and answer."""
        if answer.error is not None:
            return self.answered(await statements.as_conflict(self.engine, self.session, statement, answer))
        transaction.rows += changed
        transaction.tables |= statement.tables_written
        transaction.wrote |= statement.writes
        transaction.removed = transaction.removed or await self._takes_keys(statement)
        transaction.rules = transaction.rules.after(statement)
        self.note_text(transaction, statement)
        if statement.is_ddl:
            if self.engine.hidden.may_change(statement):
                transaction.redefines = True
                self.engine.hidden.expect(statement)
            transaction.reshapes = statement.altered_tables
            self.changed_catalog(transaction, self._redo(statement.text))
        if transaction.rows > self.engine.limits.rows:
            self._send(errors.ROW_LIMIT.encode())
            return self.fail()
        return self.answered(answer)

    async def _takes_keys(self, statement: Statement) -> bool:
        """Return whether a statement may have taken keys away: by DELETE, or by assigning to a key column."""
        if statement.deletes or not statement.columns_assigned:
            return statement.deletes
        keys = await self.engine.tables.key_columns(statement.tables_written, self.engine.catalog)
        return not keys.isdisjoint(statement.columns_assigned)

    def note_text(self, transaction: Transaction, statement: Statement) -> None:
        """Keep the text of a statement for predicates, where there is one."""
        if self.engine.injector.has_predicates:
            transaction.statements.append(statement.text)

    def _redo(self, sql: str) -> Callable[[], Awaitable[None]]:
        async def redo() -> None:
            (answer,) = await ask(self.engine, self.session, messages.query(sql), exclusive=True)
            answer.rows()

        return redo

    def changed_catalog(self, transaction: Transaction, redo: Callable[[], Awaitable[None]]) -> None:
        """Note that the transaction has changed the catalog, and how to do it again."""
        if transaction.redo is None:
            self.engine.altering += 1
        transaction.redo = redo

    # coming back

    async def _present(self) -> bool:
        """See to it that the transaction, if there is one, is live; False if that is not to be."""
        transaction = self.session.transaction
        if transaction is None or transaction.failed:
            return True
        if self.engine.in_place(transaction) or (transaction.implicit and transaction.parked is None):
            return True
        async with self.engine.mutex, self.backend.lock:
            return await self.back()

    async def back(self) -> bool:
        """Resume the transaction; the mutex and the turn are held. False if it is too old, or the schema changed."""
        transaction = self.session.transaction
        assert transaction is not None
        if transaction.expired:
            self._send(errors.too_old(self.engine.limits.transaction_age).encode())
            return self.fail()
        if transaction.catalog < self.engine.catalog and transaction.doomed is None:
            self._send(verdicts.SCHEMA_CHANGED.encode())
            return self.fail()
        await resume(self.engine, self.session)
        return True

    async def privileged_rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement of our own as superuser, within the client's transaction; return its rows.

        Raises:
            BackendError: it failed.
        """
        return await privileged_rows(self.session, sql)

    # answering

    def take_held(self) -> bytes:
        """Return what has been held back, and hold back nothing more."""
        held, self._held, self.holds = self._held, b"", False
        return held

    @property
    def _more_to_tell(self) -> bool:
        """Whether something may have to be told between the answer and ReadyForQuery."""
        transaction = self.session.transaction
        if self.backend.parameters or (transaction is not None and transaction.settings):
            return True
        return self.holds and self._commits_with_it

    @property
    def _commits_with_it(self) -> bool:
        transaction = self.session.transaction
        return transaction is not None and transaction.implicit and not transaction.reads_only

    def answered(self, answer: Response) -> bool:
        """Tell the client what PostgreSQL has said to it; return whether that was no error."""
        frames = answer.frames
        self.parsed = sum(kind == b"1" for kind, _ in frames)
        if self.holds and frames and frames[-1][0] == b"C" and self._commits_with_it:
            self._held, frames = frames[-1][1], frames[:-1]
        self._send(b"".join([raw for _, raw in frames]))
        return True if answer.error is None else self.fail()

    def _send(self, data: bytes) -> None:
        self.session.client.send(data)


def _with_warning(answer: Response, warning: bytes) -> Response:
    """Return an answer with a warning before the end, where it has succeeded."""
    if not warning or answer.error is not None:
        return answer
    return Response([*answer.frames[:-1], (b"N", warning), *answer.frames[-1:]], answer.status)


class _WithoutReady:
    """Passes an answer on without a given beginning and without ReadyForQuery, the six bytes at its end.

    The beginning is shorter than any answer, so it is in the first bytes together with the six that are held back.
    """

    def __init__(self, send: Callable[[bytes], None], beginning: bytes = b"") -> None:
        self._send = send
        self._beginning = beginning
        self._held = b""

    def __call__(self, data: bytes) -> None:
        data = self._held + data
        if self._beginning and len(data) > len(self._beginning):
            data = data.removeprefix(self._beginning)
            self._beginning = b""
        self._held = data[-6:]
        self._send(data[:-6])
