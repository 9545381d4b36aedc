"""Everything that is not simply passed on: a batch taken apart, unit by unit.

Invariants, on which the rest of the front relies:

- A unit is answered completely before the next one begins, and the backend is idle in between.
- After an error in a transaction the front needs PostgreSQL only for ROLLBACK; what the client sends until then is
  answered here, with 25P02.
- Units of one batch outside of a transaction block are wrapped in an *implicit* transaction, as PostgreSQL does, and
  it ends with the batch: at Sync, or at the end of a Query.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import Kind
from local_dsql.front import texts
from local_dsql.front.local_statements import LocalStatements
from local_dsql.front.planned import is_answered_here, is_plain
from local_dsql.front.units import Unit, simple_unit
from local_dsql.wire import messages

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.front.planned import Planned
    from local_dsql.front.session import Session
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_ENDING = ("COMMIT", "ROLLBACK")


@dataclass(slots=True)
class _Group:
    """Frames on their way to become a unit; `here` says that the front answers them itself."""

    frames: list[Frame] = field(default_factory=list)
    planned: Planned | None = None
    here: bool = False
    binds: bool = False
    unknown: bool = False
    borrows: bool = False
    """It binds the unnamed statement without having parsed it."""

    def add(self, kind: bytes, raw: bytes, planned: Planned | None, here: bool) -> None:
        """Add a frame, which refers to the text `planned`."""
        self.frames.append((kind, raw))
        self.here = here
        self.planned = self.planned if planned is None else planned
        if kind in b"BE":
            self.binds = True
            self.unknown |= planned is None
        if kind == b"B" and not messages.bind_parts(raw)[1]:
            self.borrows |= not any(other == b"P" for other, _ in self.frames)


class Exchange:
    """Runs the batches of one session that need thought."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.skipping = False
        """An extended message has failed: everything up to Sync is ignored."""
        self._local = LocalStatements(session)

    async def run(self, batch: list[Frame]) -> None:
        """Answer one batch, ReadyForQuery included where it is due."""
        self.session.client.gather()
        try:
            await self._run(batch)
        finally:
            self.session.client.flush()

    async def _run(self, batch: list[Frame]) -> None:
        kind, raw = batch[-1]
        if kind == b"F":
            await self._refuse(texts.FUNCTION_CALL)
            await self._end()
        elif kind == b"Q":
            await self._query(raw)
            await self._end()
        else:
            await self._extended(batch)
            if kind == b"S":
                self.skipping = False
                await self._end()

    async def _end(self) -> None:
        """End the implicit transaction, if there is one, and say that the next batch may come."""
        session = self.session
        transaction, held = session.transaction, session.work.take_held()
        if transaction is not None and transaction.implicit and not await session.transactions.end_implicit():
            held = b""
        if session.transaction is None:
            session.names.forget_portals()
        session.client.send(held + session.parameter_changes() + messages.READY[session.status])

    # simple protocol

    async def _query(self, raw: bytes) -> None:
        planned = self.session.names.plan(raw[5:-1])
        statements = planned.statements
        if not statements:
            self.session.client.send(messages.EMPTY_QUERY)
            return
        if await self._refused_at_once(planned):
            return
        several = len(statements) > 1
        for number, each in enumerate(statements, 1):
            statement = self.session.engine.hidden.seen(each)
            if several and self.session.transaction is None and statement.transaction is None:
                await self.session.transactions.begin_implicit()
            self.session.work.holds = number == len(statements)
            if not await self._run_unit(simple_unit(statement, statement.backend_sql)):
                return

    async def _refused_at_once(self, planned: Planned) -> bool:
        """PostgreSQL reads a text as a whole before it runs any of it, and so do the refusals of DSQL."""
        transaction = self.session.transaction
        if transaction is not None and transaction.failed:
            return False
        findings = planned.script.findings
        finding = findings[0] if findings else None
        if finding is None:
            rules = transaction.rules if transaction is not None else texts.NO_RULES_YET
            finding = rules.first_refusal(planned.statements)
        if finding is None:
            return False
        await self._refuse(texts.refusal(finding))
        return True

    # extended protocol

    async def _extended(self, batch: list[Frame]) -> None:
        """Cut a batch into units: after each Execute, and where what the front answers itself begins or ends."""
        group = _Group()
        several = batch[-1][0] == b"H" or sum(kind == b"E" for kind, _ in batch) > 1
        for kind, raw in batch[:-1]:
            if self.skipping:
                return
            planned = self.session.names.note(kind, raw)
            here = planned is not None and planned.answered_here
            if group.frames and here != group.here:
                await self._run_group(group, several)
                group = _Group()
            group.add(kind, raw, planned, here)
            if kind == b"E" and not self.skipping:
                await self._run_group(group, several)
                group = _Group()
        if group.frames and not self.skipping:
            await self._run_group(group, several)

    async def _run_group(self, group: _Group, several: bool) -> None:
        session = self.session
        only = group.planned.only if group.planned is not None else None
        if only is not None:
            only = session.engine.hidden.seen(only)
        unit = Unit(only, tuple(group.frames), session.names.unnamed if group.borrows else b"")
        statement = unit.statement
        if group.unknown:
            # Never passed on: what PostgreSQL might know by that name has not been looked at.
            self.skipping = True
            session.names.keep_batch(0)
            await self._refuse(texts.UNKNOWN_NAME)
            return
        controls = statement is not None and statement.transaction is not None
        if several and group.binds and session.transaction is None and not controls:
            await session.transactions.begin_implicit()
        session.work.parsed = 0
        if unit.executes or group.here:
            done = await self._run_unit(unit)
        else:
            done = await self._prepare(unit)
        for kind, raw in group.frames:
            if kind == b"E":
                session.names.portals.executed(*messages.execute_parts(raw))
        session.names.keep_batch(None if done else session.work.parsed)
        if not done:
            self.skipping = True

    async def _prepare(self, unit: Unit) -> bool:
        """Parse, Bind, Describe and Close without Execute."""
        transaction = self.session.transaction
        parses = any(kind in b"PB" for kind, _ in unit.frames)
        if transaction is not None and transaction.failed and parses and not self._ends(unit.statement):
            await self._refuse(texts.ABORTED)
            return False
        return await self.session.work.pass_on(unit)

    # one unit

    async def _run_unit(self, unit: Unit) -> bool:
        """Run one statement, or refuse it; return whether it succeeded."""
        statement, transaction = unit.statement, self.session.transaction
        if transaction is not None and not transaction.failed and not unit.simple:
            rows = self.session.names.portals.serve(unit)
            if rows is not None:
                self.session.client.send(rows)
                return True
        if transaction is not None and transaction.failed and not self._ends(statement):
            if statement is None and unit.executes:
                return await self.session.work.pass_on(unit)
            await self._refuse(texts.ABORTED)
            return False
        if statement is None:
            return await self.session.work.pass_on(unit)
        refusal = self._refusal(statement)
        if refusal is not None:
            await self._refuse(refusal)
            return False
        return await self._dispatch(unit, statement)

    @staticmethod
    def _ends(statement: Statement | None) -> bool:
        return statement is not None and statement.transaction in _ENDING and not statement.findings

    def _refusal(self, statement: Statement) -> ServerMessage | None:
        if statement.finding is not None:
            return texts.refusal(statement.finding)
        transaction = self.session.transaction
        if transaction is None:
            return None
        if statement.outside_transaction:
            return texts.outside_only(statement)
        broken = transaction.rules.refusal(statement)
        return None if broken is None else texts.refusal(broken)

    async def _dispatch(self, unit: Unit, statement: Statement) -> bool:
        work = self.session.work
        transactions = self.session.transactions
        if statement.transaction == "BEGIN":
            return await transactions.begin(unit)
        if statement.transaction == "COMMIT":
            return await transactions.commit(unit)
        if statement.transaction == "ROLLBACK":
            return await transactions.rollback(unit)
        if is_answered_here(statement):
            return await self._local.run(unit, statement)
        if is_plain(statement) or statement.outside_transaction:
            return await work.read(unit)
        if statement.kind is Kind.SESSION:
            return await work.configure(unit, statement)
        return await work.write(unit, statement)

    async def _refuse(self, message: ServerMessage) -> None:
        """Answer with an error of our own; like any error it fails the transaction."""
        self.session.work.fail()
        self.session.client.send(message.encode())
