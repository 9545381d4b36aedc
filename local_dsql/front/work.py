"""What is done with the backend for one unit: begin, read, write, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.front import texts
from local_dsql.occ.transaction import Transaction
from local_dsql.wire import messages
from local_dsql.wire.backend import Answer
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from local_dsql.front.session import Session
    from local_dsql.front.units import Unit
    from local_dsql.wire.frames import EndFinder
    from local_dsql.wire.messages import ServerMessage

_BEGIN = messages.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
_SNAPSHOT = messages.query(
    "SAVEPOINT local_dsql; SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
)
_ROLLBACK = messages.query("ROLLBACK")
_COMMIT = messages.query("COMMIT")


class Work:
    """The doings of one session's backend."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.backend = session.backend
        self.engine = session.engine

    # transactions

    async def begin_implicit(self) -> None:
        """Open a transaction of our own around what follows."""
        async with self.backend.turn:
            answers = await self.backend.ask(_BEGIN + _SNAPSHOT, 2)
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
            answers = await self.backend.ask(unit.request() + _SNAPSHOT, 2)
        self._send_answer(answers[0])
        if answers[0].error is not None:
            return False
        self._opened(answers[1], implicit=False)
        return True

    def _opened(self, snapshot: Answer, *, implicit: bool) -> None:
        ((end,),) = snapshot.rows()
        assert end is not None
        engine = self.engine
        self.session.transaction = Transaction(implicit, engine.sequence, engine.catalog, int(end))

    async def commit(self, unit: Unit) -> bool:
        """Run the client's COMMIT."""
        transaction = self.session.transaction
        if transaction is None:
            return await self.pass_on(unit)
        if transaction.failed:
            return await self.rollback(unit)
        error = await self._commit()
        if error is not None:
            self._send(error)
            return False
        self._send(unit.answer(messages.command_complete("COMMIT")))
        return True

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
        error = await self._commit()
        if error is not None:
            self._send(error)

    async def _commit(self) -> bytes | None:
        """Commit; return the error to send, or None."""
        transaction = self.session.transaction
        assert transaction is not None
        async with self.engine.mutex, self.backend.turn:
            (answer,) = await self.backend.ask(_COMMIT)
        self.session.transaction = None
        if (fields := answer.error) is not None:
            return messages.error(fields)
        if transaction.wrote:
            self.engine.sequence += 1
        if transaction.rules.ddl:
            self.engine.catalog += 1
        return None

    async def _rollback(self) -> None:
        async with self.backend.turn:
            await self.backend.ask(_ROLLBACK)
        self.session.transaction = None

    async def fail(self) -> None:
        """Note that the transaction, if there is one, can only be rolled back."""
        if self.session.transaction is not None:
            self.session.transaction.failed = True

    # units

    async def pass_on(self, unit: Unit) -> bool:
        """Pass on what neither reads nor writes; return whether it succeeded."""
        async with self.backend.turn:
            (answer,) = await self.backend.ask(unit.request())
        self._send_answer(answer)
        return await self._succeeded(answer)

    async def read(self, unit: Unit) -> bool:
        """Run a plain read, passing its answer on as it comes."""
        import asyncio

        done: asyncio.Future[EndFinder] = asyncio.get_running_loop().create_future()
        async with self.backend.turn:
            sink = _WithoutReady(self._send)
            self.backend.relay(unit.request(), sink, done.set_result)
            end = await done
        if end.failed:
            await self.fail()
        return not end.failed

    async def write(self, unit: Unit, statement: Statement) -> bool:
        """Run a statement that changes or locks something."""
        if self.session.transaction is None:
            await self.begin_implicit()
        transaction = self.session.transaction
        assert transaction is not None
        async with self.engine.mutex, self.backend.turn:
            answer = await self._ask(unit, statement)
        if not await self._succeeded(answer):
            self._send_answer(answer)
            return False
        transaction.rows += changed_rows(answer)
        transaction.wrote = True
        transaction.rules = transaction.rules.after(statement)
        if transaction.rows > self.session.front.limits.rows:
            return await self.refuse(texts.ROW_LIMIT)
        self._send_answer(answer)
        return True

    async def _ask(self, unit: Unit, statement: Statement) -> Answer:
        if statement.node != "Copy":
            (answer,) = await self.backend.ask(unit.request())
            return answer
        answer = await self.backend.ask_until(unit.request(), b"G")
        if answer.status:
            return answer
        self._send_answer(answer)
        return await self._copy(unit)

    async def _copy(self, unit: Unit) -> Answer:
        """Pass on the rows of a COPY, then return the answer to it."""
        while True:
            kind, raw = await self.session.next_copy_frame()
            if kind in b"cf":
                break
            if kind == b"d":
                self.backend.write(raw)
            elif kind not in b"HS":
                raw = messages.frame(b"f", messages.cstring("unexpected message during COPY"))
                break
        if not unit.simple:
            raw += messages.SYNC
            await self._sync_after_copy()
        (answer,) = await self.backend.ask(raw)
        return answer

    async def _sync_after_copy(self) -> None:
        """In the extended protocol PostgreSQL ignored the Sync before the rows; the client sends another one."""
        while (await self.session.next_copy_frame())[0] != b"S":
            pass

    async def run_ddl(self, sql: str) -> Answer:
        """Run one statement of the client's in our words and return the answer."""
        async with self.engine.mutex, self.backend.turn:
            (answer,) = await self.backend.ask(messages.query(sql))
        return answer

    async def privileged_rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement of our own as superuser, within the client's transaction; return its rows.

        Raises:
            BackendError: it failed.
        """
        role = literal(self.session.role)
        text = f"SET LOCAL SESSION AUTHORIZATION DEFAULT; {sql}; SET LOCAL SESSION AUTHORIZATION {role}"
        async with self.backend.turn:
            return await self.backend.rows(text)

    def changed_catalog(self, statement: Statement) -> None:
        """Note that the transaction has changed the catalog."""
        transaction = self.session.transaction
        assert transaction is not None
        transaction.wrote = True
        transaction.rules = transaction.rules.after(statement)

    async def refuse(self, message: ServerMessage) -> bool:
        """Fail the transaction with an error of our own; return False."""
        await self.fail()
        self._send(message.encode())
        return False

    async def _succeeded(self, answer: Answer) -> bool:
        if answer.error is None:
            return True
        await self.fail()
        return False

    def _send(self, data: bytes) -> None:
        self.session.client.send(data)

    def _send_answer(self, answer: Answer) -> None:
        self._send(b"".join([raw for _, raw in answer.frames]))


class _WithoutReady:
    """Passes an answer on without the ReadyForQuery at its end, which comes last and is six bytes long."""

    def __init__(self, send: object) -> None:
        self._send = send
        self._held = b""

    def __call__(self, data: bytes) -> None:
        data = self._held + data
        self._held = data[-6:]
        self._send(data[:-6])  # type: ignore[operator]


def changed_rows(answer: Answer) -> int:
    """Return how many rows the command tags of an answer report as changed."""
    total = 0
    for tag in answer.tags:
        words = tag.split()
        if words[0] in ("INSERT", "UPDATE", "DELETE", "COPY"):
            total += int(words[-1])
    return total


def error_fields(answer: Answer) -> Mapping[str, str]:
    """Return the fields of an answer that failed."""
    fields = answer.error
    assert fields is not None
    return fields
