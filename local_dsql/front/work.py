"""What is done with a session's backend for one unit: begin, read, write, end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.front import texts
from local_dsql.front.copying import take_rows
from local_dsql.front.requests import request_for
from local_dsql.occ import statements, verdicts
from local_dsql.occ.commit import Ending
from local_dsql.occ.key_columns import assigned_columns
from local_dsql.occ.parking import OPEN, resume
from local_dsql.occ.transaction import Transaction
from local_dsql.occ.waiting import ask
from local_dsql.wire import messages
from local_dsql.wire.backend import Answer, BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsql_dialect import Statement
    from local_dsql.front.session import Session
    from local_dsql.front.units import Unit
    from local_dsql.wire.frames import EndFinder
    from local_dsql.wire.messages import ServerMessage

_BEGIN = messages.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
_ROLLBACK = messages.query("ROLLBACK")


class Work:
    """The doings of one session's backend. Every method but `fail` returns whether the unit succeeded."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.backend = session.backend
        self.engine = session.engine

    # transactions

    async def begin_implicit(self) -> None:
        """Open a transaction of our own around what follows."""
        async with self.backend.turn:
            answers = await self.backend.ask(_BEGIN + OPEN, 2)
        self._opened(answers[1], implicit=True)

    async def begin(self, unit: Unit) -> bool:
        """Run the client's BEGIN; its snapshot is taken at once, as DSQL does."""
        transaction = self.session.transaction
        if transaction is not None and transaction.implicit:
            transaction.implicit = (
                False  # BEGIN within a multi-statement string takes over what has run already
            )
            self._send(unit.answer(messages.command_complete("BEGIN")))
            return True
        if transaction is not None:
            return await self.pass_on(unit)
        async with self.backend.turn:
            answers = await self.backend.ask(unit.request() + OPEN, 2)
        self._send_answer(answers[0])
        if answers[0].error is not None:
            return False
        self._opened(answers[1], implicit=False)
        return True

    def _opened(self, snapshot: Answer, *, implicit: bool) -> None:
        ((end,),) = snapshot.rows()
        engine = self.engine
        self.session.transaction = Transaction(implicit, engine.sequence, engine.catalog, int(str(end)))

    async def commit(self, unit: Unit) -> bool:
        """Run the client's COMMIT."""
        transaction = self.session.transaction
        if transaction is None:
            return await self.pass_on(unit)
        if transaction.failed:
            return await self.rollback(unit)
        error = await self._commit(transaction)
        self._send(error or unit.answer(messages.command_complete("COMMIT")))
        return error is None

    async def rollback(self, unit: Unit) -> bool:
        """Run the client's ROLLBACK, or what a COMMIT of a failed transaction comes to."""
        if self.session.transaction is None:
            return await self.pass_on(unit)
        await self._rollback()
        self._send(unit.answer(messages.command_complete("ROLLBACK")))
        return True

    async def end_implicit(self) -> None:
        """End the transaction that was opened by `begin_implicit`: commit it, or roll back if it failed."""
        transaction = self.session.transaction
        assert transaction is not None
        if transaction.failed:
            await self._rollback()
            return
        error = await self._commit(transaction)
        if error is not None:
            self._send(error)

    async def _commit(self, transaction: Transaction) -> bytes | None:
        """Commit; return the error to send, or None."""
        error = await Ending(self.engine, self.session).at_its_turn()
        self._ended()
        latency = self.session.client.endpoint.commit_latency
        if latency and not transaction.reads_only:
            await asyncio.sleep(latency)
        return error

    async def _rollback(self) -> None:
        async with self.backend.turn:
            await self.backend.ask(_ROLLBACK)
        self._ended()

    def _ended(self) -> None:
        self.engine.ended(self.session.transaction)
        self.session.transaction = None
        self.session.names.forget_portals()

    async def fail(self) -> None:
        """Note that the transaction, if there is one, can only be rolled back."""
        if self.session.transaction is not None:
            self.session.transaction.failed = True

    # units

    async def pass_on(self, unit: Unit) -> bool:
        """Pass on what neither reads nor writes."""
        if not await self._present():
            return False
        if self.engine.altering:
            return await self._around_ddl(unit)
        async with self.backend.turn:
            (answer,) = await self.backend.ask(unit.request())
        self._send_answer(answer)
        return await self._succeeded(answer)

    async def _around_ddl(self, unit: Unit) -> bool:
        """Run what only reads while somebody has changed the catalog and not committed yet: it may have to wait."""
        async with self.engine.mutex, self.backend.turn:
            if self.session.transaction is not None and not await self.back():
                return False
            (answer,) = await ask(self.engine, self.session, unit.request())
        self._send_answer(answer)
        return await self._succeeded(answer)

    async def configure(self, unit: Unit, statement: Statement) -> bool:
        """Run SET and its like; in a transaction they are noted, to be repeated should it be parked."""
        if not await self.pass_on(unit):
            return False
        transaction = self.session.transaction
        if transaction is not None and statement.node in ("VariableSet", "ConstraintsSet"):
            transaction.settings.append(statement.text)
        if statement.node == "Deallocate":
            self.session.names.forget_all()
        return True

    async def read(self, unit: Unit) -> bool:
        """Run a plain read, passing its answer on as it comes."""
        while True:
            if not await self._present():
                return False
            if self.engine.altering:
                return await self._around_ddl(unit)
            async with self.backend.turn:
                transaction = self.session.transaction
                if transaction is not None and transaction.parked is not None:
                    continue  # somebody was quicker
                end = await self._relay(unit)
            if end.failed:
                await self.fail()
            return not end.failed

    async def _relay(self, unit: Unit) -> EndFinder:
        done: asyncio.Future[EndFinder] = asyncio.get_running_loop().create_future()
        self.backend.relay(unit.request(), _WithoutReady(self._send), done.set_result)
        return await done

    async def write(self, unit: Unit, statement: Statement) -> bool:
        """Run a statement that changes or locks something."""
        if self.session.transaction is None:
            await self.begin_implicit()
        transaction = self.session.transaction
        assert transaction is not None
        rows = b""
        if statement.node == "Copy":
            taken = await take_rows(self.session, unit)
            if taken is None:
                return await self._failed()
            rows = taken
        request = request_for(unit, statement, self.session.names, rows)
        async with self.engine.mutex, self.backend.turn:
            if not await self.back():
                return False
            answer = await statements.run(self.engine, self.session, request)
        if rows:
            answer = Answer([frame for frame in answer.frames if frame[0] != b"G"], answer.status)
        if not await self._succeeded(answer):
            self._send_answer(answer)
            return False
        return await self._account(transaction, statement, answer)

    async def _account(self, transaction: Transaction, statement: Statement, answer: Answer) -> bool:
        """Note what the statement has done, and hold it against the limits."""
        transaction.rows += changed_rows(answer)
        transaction.wrote |= statement.writes
        transaction.removed = transaction.removed or await self._takes_keys(statement)
        transaction.rules = transaction.rules.after(statement)
        if statement.is_ddl:
            self._altered(transaction, statement.text)
        if transaction.rows > self.session.front.limits.rows:
            self._send(texts.ROW_LIMIT.encode())
            return await self._failed()
        self._send_answer(answer)
        return True

    async def _takes_keys(self, statement: Statement) -> bool:
        """Tell whether a statement may have taken keys away: by DELETE, or by assigning to a key column."""
        if statement.deletes or not statement.updates:
            return statement.deletes
        tables = await self.engine.tables.current(self.engine.catalog)
        return not tables.key_columns.isdisjoint(assigned_columns(statement.text))

    def _altered(self, transaction: Transaction, sql: str) -> None:
        async def redo() -> None:
            (answer,) = await ask(self.engine, self.session, messages.query(sql), exclusive=True)
            if (fields := answer.error) is not None:
                raise BackendError(fields)

        self.changed_catalog(transaction, redo)

    def changed_catalog(self, transaction: Transaction, redo: Callable[[], object]) -> None:
        """Note that the transaction has changed the catalog, and how to do it again."""
        transaction.redo = redo  # type: ignore[assignment]
        self.engine.altering += 1

    # coming back

    async def _present(self) -> bool:
        """See to it that the transaction, if there is one, is live; False if the schema has changed under it."""
        transaction = self.session.transaction
        if transaction is None or transaction.failed:
            return True
        if transaction.parked is None and transaction.catalog >= self.engine.catalog:
            return True
        async with self.engine.mutex, self.backend.turn:
            return await self.back()

    async def back(self) -> bool:
        """Resume the transaction; the mutex and the turn are held. False if the schema has changed under it."""
        transaction = self.session.transaction
        assert transaction is not None
        if transaction.catalog < self.engine.catalog and transaction.doomed is None:
            self._send(verdicts.SCHEMA_CHANGED.encode())
            return await self._failed()
        await resume(self.engine, self.session)
        return True

    async def privileged_rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement of our own as superuser, within the client's transaction; return its rows.

        Raises:
            BackendError: it failed.
        """
        role = literal(self.session.role)
        text = f"SET LOCAL SESSION AUTHORIZATION DEFAULT; {sql}; SET LOCAL SESSION AUTHORIZATION {role}"
        return await self.backend.rows(text)

    async def _succeeded(self, answer: Answer) -> bool:
        return answer.error is None or await self._failed()

    async def _failed(self) -> bool:
        await self.fail()
        return False

    def send(self, message: ServerMessage) -> None:
        """Send an error of our own."""
        self._send(message.encode())

    def _send(self, data: bytes) -> None:
        self.session.client.send(data)

    def _send_answer(self, answer: Answer) -> None:
        self._send(b"".join([raw for _, raw in answer.frames]))


class _WithoutReady:
    """Passes an answer on without the ReadyForQuery at its end, which comes last and is six bytes long."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._held = b""

    def __call__(self, data: bytes) -> None:
        data = self._held + data
        self._held = data[-6:]
        self._send(data[:-6])


def changed_rows(answer: Answer) -> int:
    """Return how many rows the command tags of an answer report as changed."""
    total = 0
    for tag in answer.tags:
        words = tag.split()
        if words[0] in ("INSERT", "UPDATE", "DELETE", "COPY"):
            total += int(words[-1])
    return total
