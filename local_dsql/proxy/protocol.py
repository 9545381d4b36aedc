"""Everything that is not simply passed on: a batch taken apart, unit by unit.

Invariants, on which the rest of the front relies:

- A unit is answered completely before the next one begins, and the backend is idle in between.
- After an error in a transaction the front needs PostgreSQL only for ROLLBACK; what the client sends until then is
  answered here, with 25P02.
- Units of one batch outside of a transaction block are wrapped in an *implicit* transaction, as PostgreSQL does, and
  it ends with the batch: at Sync, or at the end of a Query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import Kind
from local_dsql.proxy import errors
from local_dsql.proxy.local_statements import LocalStatements
from local_dsql.proxy.message_checks import KNOWN, fault
from local_dsql.proxy.parse_cache import is_answered_here, is_plain, is_version
from local_dsql.proxy.prepared_statements import parses_unnamed, refers_to_unnamed
from local_dsql.proxy.units import Unit, simple_unit
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.proxy.parse_cache import Planned
    from local_dsql.proxy.session import Session
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_ONE_GROUP = re.compile(b"C*P?[BD]*E?[Cdcf]*S").fullmatch
_ENDING = ("COMMIT", "ROLLBACK")


@dataclass(slots=True)
class _Group:
    """Frames on their way to become a unit; `here` says that the front answers them itself."""

    frames: list[Frame] = field(default_factory=list)
    planned: Planned | None = None
    here: bool = False
    binds: bool = False
    borrows: bool = False
    """It refers to the unnamed statement without having parsed it."""

    @property
    def only_closes(self) -> bool:
        """Whether nothing is in it that could fail."""
        return all(kind == b"C" for kind, _ in self.frames)

    @property
    def takes_rows(self) -> bool:
        """Whether it executes a COPY FROM STDIN."""
        only = self.planned.only if self.planned is not None else None
        return only is not None and only.takes_rows

    def add(self, kind: bytes, raw: bytes, planned: Planned | None, here: bool) -> None:
        """Add a frame, which refers to the text `planned`."""
        self.frames.append((kind, raw))
        self.here = here
        self.planned = self.planned if planned is None else planned
        self.binds = self.binds or kind in b"BE"
        if refers_to_unnamed(kind, raw):
            self.borrows |= not any(parses_unnamed(*each) for each in self.frames)


def _is_several(batch: list[Frame]) -> bool:
    """Tell whether more than an Execute belongs to the transaction that ends with the batch."""
    kinds = b"".join([kind for kind, _ in batch])
    return not _ONE_GROUP(kinds)


class Exchange:
    """Runs the batches of one session that need thought."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.skipping = False
        """An extended message has failed: everything up to Sync is ignored."""
        self._local = LocalStatements(session)

    async def run(self, batch: list[Frame]) -> None:
        """Response one batch, ReadyForQuery included where it is due."""
        self.session.client.gather()
        try:
            await self._run(batch)
        finally:
            self.session.client.flush()

    async def _run(self, batch: list[Frame]) -> None:
        kind, raw = batch[-1]
        if len(batch) > 1 and not await self._extended(batch):
            return
        if kind not in KNOWN:
            self.session.hang_up(errors.unknown_message(kind[0]))
        elif kind == b"S":
            self.skipping = False
            if raw != messages.SYNC:
                await self._read(kind, raw)
            await self._end()
        elif not self.skipping and await self._read(kind, raw):
            if kind == b"H":
                return
            if kind == b"Q":
                await self._query(raw)
            else:
                await self._refuse(errors.FUNCTION_CALL)
            await self._end()
        elif kind == b"H":
            self.skipping = True
        elif not self.skipping:
            await self._end()

    async def _read(self, kind: bytes, raw: bytes) -> bool:
        """Tell whether a message can be read; if not, the client has been told."""
        wrong = fault(kind, raw, self.session.names.codec)
        if wrong is not None:
            await self._refuse(wrong)
        return wrong is None

    async def _end(self) -> None:
        """End the implicit transaction, if there is one, and say that the next batch may come."""
        session = self.session
        transaction, held = session.transaction, session.work.take_held()
        if transaction is not None and transaction.implicit and not await session.transactions.end_implicit():
            held = b""
        if session.transaction is not None and session.transaction.failed:
            await session.work.take_settings_back(session.transaction)
        if session.transaction is None:
            session.names.forget_portals()
        session.client.send(held + session.parameter_changes() + messages.READY[session.status])

    # simple protocol

    async def _query(self, raw: bytes) -> None:
        names = self.session.names
        planned = names.plan(raw[5:-1])
        statements = planned.statements
        names.forget_unnamed()
        if not statements:
            self.session.client.send(messages.EMPTY_QUERY)
            return
        if await self._refused_at_once(planned):
            return
        names.forget_unnamed_portal()
        several = len(statements) > 1
        for number, each in enumerate(statements, 1):
            statement = self.session.engine.hidden.seen(each)
            if several and self.session.transaction is None and statement.transaction is None:
                await self.session.transactions.begin_implicit()
            self.session.work.holds = number == len(statements)
            if not await self._run_unit(simple_unit(statement, names.codec)):
                return
            self.session.note_encoding()

    async def _refused_at_once(self, planned: Planned) -> bool:
        """PostgreSQL reads a text as a whole before it runs any of it, and so do the refusals of DSQL."""
        transaction = self.session.transaction
        finding = planned.script.syntax_error
        if finding is None:
            if transaction is not None and transaction.failed:
                return False
            findings = planned.script.findings
            finding = findings[0] if findings else None
        if finding is None:
            rules = transaction.rules if transaction is not None else errors.NO_RULES_YET
            finding = rules.first_refusal(planned.statements)
        if finding is None:
            return False
        await self._refuse(errors.refusal(finding))
        return True

    # extended protocol

    async def _extended(self, batch: list[Frame]) -> bool:
        """Run a batch, but for the message that ends it; return whether it came to that.

        It is cut into groups: after each Execute, before a Parse and a Close that others precede, so that it is told
        from PostgreSQL's answer whether it has been done, and where what the front answers itself begins or ends.
        """
        group = _Group()
        several = _is_several(batch)
        for number, (kind, raw) in enumerate(batch[:-1], 1):
            if group.frames and (kind == b"P" or (kind == b"C" and not group.only_closes)):
                group = await self._run_group(group, several)
            if self.skipping:
                return True
            if kind in b"dcf":
                continue  # rows of a COPY that has failed, or of none
            refusal, planned = self._noted(kind, raw)
            if refusal is not None:
                await self._run_group(group, several)
                if not self.skipping:
                    self.skipping = True
                    await self._refuse(refusal)
                return True
            if raw[:1] + raw[BODY : BODY + 1] == b"DP" and not group.binds and self._controls(planned):
                group = await self._run_group(group, several)
                self._say(messages.NO_DATA)
                continue
            here = planned is not None and planned.answered_here
            if here != group.here:
                group = await self._run_group(group, several)
            group.add(kind, raw, planned, here)
            if kind == b"E" and not self.skipping:
                if group.takes_rows:
                    self.session.put_back(batch[number:])
                    await self._run_group(group, several=True)
                    return False
                group = await self._run_group(group, several)
        if group.frames:
            await self._run_group(group, several)
        return True

    def _noted(self, kind: bytes, raw: bytes) -> tuple[ServerMessage | None, Planned | None]:
        """Take note of a message: return why it cannot be passed on, and the text that it refers to.

        An unknown name is never passed on: what PostgreSQL might know by it has not been looked at.
        """
        names = self.session.names
        try:
            wrong = None if raw.isascii() else fault(kind, raw, names.codec)
            if wrong is not None:
                return wrong, None
            planned = names.note(kind, raw)
        except ValueError:
            return fault(kind, raw, names.codec), None
        if planned is not None and kind == b"E" and self._is_spent(planned, raw):
            return errors.spent_portal(messages.execute_parts(raw)[0]), None
        if planned is not None or kind in b"PC":
            return None, planned
        if kind == b"B":
            return errors.unknown_statement(messages.bind_parts(raw)[1]), None
        if kind == b"E":
            return errors.unknown_portal(messages.execute_parts(raw)[0]), None
        target, name = messages.target_parts(raw)
        return (errors.unknown_portal if target == b"P" else errors.unknown_statement)(name), None

    def _is_spent(self, planned: Planned, raw: bytes) -> bool:
        """Tell whether a portal is executed again that has no rows: PostgreSQL may not have it any more."""
        if planned.only is None or planned.only.returns_rows:
            return False
        return self.session.names.portals.has_begun(messages.execute_parts(raw)[0])

    def _say(self, data: bytes) -> None:
        """Tell the client something, unless a message before it has failed."""
        if not self.skipping:
            self.session.client.send(data)

    @staticmethod
    def _controls(planned: Planned | None) -> bool:
        """Tell whether a text is COMMIT or its like, whose portal PostgreSQL may not have any more."""
        return planned is not None and planned.only is not None and planned.only.transaction is not None

    async def _run_group(self, group: _Group, several: bool) -> _Group:
        """Run what has gathered, unless something has failed before; return where to gather what follows."""
        if group.frames and not self.skipping:
            await self._run_messages(group, several)
            self.session.note_encoding()
        return _Group()

    async def _run_messages(self, group: _Group, several: bool) -> None:
        session = self.session
        only = group.planned.only if group.planned is not None else None
        if only is not None:
            only = session.engine.hidden.seen(only)
        unit = Unit(only, tuple(group.frames), session.names.unnamed if group.borrows else b"")
        statement = unit.statement
        controls = statement is not None and statement.transaction is not None
        if several and group.binds and session.transaction is None and not (controls and unit.executes):
            await session.transactions.begin_implicit()
        session.work.parsed = 0
        if unit.executes or group.here:
            done = await self._run_unit(unit)
        else:
            done = await self._prepare(unit)
        for kind, raw in group.frames:
            if kind == b"E":
                session.names.portals.executed(*messages.execute_parts(raw))
        if group.here and not done:
            session.names.forget_bound()
        session.names.keep_batch(None if done else session.work.parsed)
        if not done:
            self.skipping = True

    async def _prepare(self, unit: Unit) -> bool:
        """Parse, Bind, Describe and Close without Execute."""
        transaction = self.session.transaction
        if transaction is not None and transaction.failed:
            return await self.session.work.pass_on_failed(unit)
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
            return await self._run_failed(unit)
        if statement is None:
            return await self.session.work.pass_on(unit)
        refusal = self._refusal(statement)
        if refusal is not None:
            await self._refuse(refusal)
            return False
        return await self._dispatch(unit, statement)

    async def _run_failed(self, unit: Unit) -> bool:
        """Run a unit in a transaction that has failed: what PostgreSQL refuses first, it refuses itself."""
        statement = unit.statement
        if statement is None:
            return await self.session.work.pass_on_failed(unit)
        readable = statement.finding is None or not statement.is_unreadable
        here = statement.findings or statement.iam or statement.async_job
        before = None if here or unit.simple else unit.preparation
        if before is not None and not await self.session.work.pass_on_failed(before):
            return False
        await self._refuse(errors.ABORTED if readable else errors.refusal(statement.findings[0]))
        return False

    @staticmethod
    def _ends(statement: Statement | None) -> bool:
        return statement is not None and statement.transaction in _ENDING and not statement.findings

    def _refusal(self, statement: Statement) -> ServerMessage | None:
        if statement.finding is not None:
            return errors.refusal(statement.finding)
        transaction = self.session.transaction
        if transaction is None:
            return None
        if statement.outside_transaction:
            return errors.outside_only(statement)
        broken = transaction.rules.refusal(statement)
        return None if broken is None else errors.refusal(broken)

    async def _dispatch(self, unit: Unit, statement: Statement) -> bool:
        work = self.session.work
        transactions = self.session.transactions
        controls = statement.transaction is not None and self.session.transaction is not None
        if (controls or is_version(statement)) and not unit.simple and not unit.is_usual:
            before = unit.preparation
            if before is not None and not await work.prepare(before):
                return False
            unit = unit.execution
        if statement.transaction is not None and unit.frames[0][0] == b"E":
            unit = simple_unit(statement)  # of a portal that was bound outside of a transaction
        if statement.transaction == "BEGIN":
            return await transactions.begin(unit)
        if statement.transaction == "COMMIT":
            return await transactions.commit(unit)
        if statement.transaction == "ROLLBACK":
            return await transactions.rollback(unit)
        if is_answered_here(statement):
            return await self._local.run(unit, statement)
        if is_plain(statement) or statement.outside_transaction or self._goes_on(unit, statement):
            return await work.read(unit)
        if statement.kind is Kind.SESSION:
            return await work.configure(unit, statement)
        return await work.write(unit, statement)

    def _goes_on(self, unit: Unit, statement: Statement) -> bool:
        """Tell whether all that is left of a statement is to hand out its rows: it has done its work already."""
        if not unit.goes_on or statement.locks:
            return False
        return self.session.names.portals.has_begun(messages.execute_parts(unit.frames[-1][1])[0])

    async def _refuse(self, message: ServerMessage) -> None:
        """Response with an error of our own; like any error it fails the transaction."""
        self.session.work.fail()
        self.session.client.send(message.encode())
