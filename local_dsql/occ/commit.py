"""COMMIT: where a transaction learns whether it has won."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.faults.injection import Fault
from local_dsql.occ import references, size, verdicts
from local_dsql.occ.conflict import SUSPECTS, is_invisible
from local_dsql.occ.effects import NOTHING, made_by
from local_dsql.occ.foresight import strike
from local_dsql.occ.journal import Commit
from local_dsql.occ.parking import capture, resume
from local_dsql.occ.privilege import AS_SUPERUSER
from local_dsql.occ.registry import clash
from local_dsql.occ.waiting import ask
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.occ.effects import Effects
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.foresight import Foresight
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction
    from local_dsql.wire.messages import ServerMessage

_COMMIT = messages.query("COMMIT")
_ROLLBACK = messages.query("ROLLBACK")
_GUARD = messages.query("SAVEPOINT local_dsql_statement")
_UNDO = messages.query("ROLLBACK TO SAVEPOINT local_dsql_statement")
_CHECK_NOW = messages.query("SET CONSTRAINTS ALL IMMEDIATE")
_ROWS_SHOWN = 3
_SMALL_TABLE = 8 * 1024 * 1024
_INJECTED = {Fault.OC000: verdicts.CONFLICT, Fault.OC001: verdicts.SCHEMA_CHANGED}


class Ending:
    """A COMMIT on its way: run by its session, or by whoever finds that the session is in the way.

    Afterwards `error` is what to tell the client, None on success, and `lost` says that its connection is to break.
    """

    def __init__(self, engine: Engine, participant: Participant, foresight: Foresight | None = None) -> None:
        self.error: bytes | None = None
        self.lost = False
        self._engine = engine
        self._participant = participant
        self._foresight = foresight
        self._done = False

    async def at_its_turn(self) -> None:
        """Commit, waiting for the mutex where one is needed.

        COMMITs go before waiting statements: the fewer transactions are live, the fewer must be parked.
        """
        transaction = self._participant.transaction
        assert transaction is not None
        if transaction.reads_only or transaction.doomed is not None:
            await self.now()
            return
        self._participant.ending = self
        await self._engine.mutex.acquire(first=True)
        try:
            await self.now()
        finally:
            self._participant.ending = None
            self._engine.mutex.release()

    async def now(self) -> None:
        """Commit, if it has not been done yet. The mutex must be held where one is needed."""
        async with self._participant.backend.lock:
            if self._done:
                return
            transaction = self._participant.transaction
            assert transaction is not None
            await self._run(transaction)
            self._done = True
            self._engine.ended(transaction)
            self._participant.transaction = None

    async def _run(self, transaction: Transaction) -> None:
        fault = None
        effects: Effects = NOTHING
        if not transaction.reads_only:
            verdict, effects = await _verdict(self._engine, self._participant, transaction)
            if verdict is None:
                fault = await strike(self._engine, self._participant, transaction, self._foresight)
                verdict = _INJECTED.get(fault) if fault is not None else None
            if verdict is not None or fault is Fault.LOST:
                await self._lose(transaction, verdict, injected=fault is not None)
                self.lost = fault is Fault.LOST
                return
        try:
            (answer,) = await ask(self._engine, self._participant, _COMMIT)
        except ConnectionLost:
            # The client hung up meanwhile, and nobody knows whether PostgreSQL has committed: as if it had.
            await self._won(transaction, effects)
            raise
        if (fields := answer.error) is not None:
            conflict = fields["C"] == "40001"
            self.error = verdicts.CONFLICT.encode() if conflict else messages.error(fields)
            return
        self.lost = fault is Fault.UNKNOWN
        await self._won(transaction, effects)

    async def _lose(self, transaction: Transaction, verdict: ServerMessage | None, *, injected: bool) -> None:
        """Roll back, and write into the journal who lost what."""
        engine, participant = self._engine, self._participant
        code = verdicts.code(verdict)
        if code is None:
            await participant.backend.request(_ROLLBACK)
        else:
            rows = await _rows_and_rollback(engine, participant, transaction)
            tables = frozenset(transaction.tables)
            since = transaction.began_at
            engine.journal.lost(code, participant.label, since, tables, rows, injected=injected)
        self.error = None if verdict is None else verdict.encode()

    async def _won(self, transaction: Transaction, effects: Effects) -> None:
        engine = self._engine
        if not transaction.reads_only:
            engine.sequence += 1
            tables = frozenset(transaction.tables)
            engine.journal.committed(Commit(engine.sequence, self._participant.label, tables))
            _remember(engine, self._participant, transaction, effects)
        if transaction.rules.ddl:
            engine.catalog += 1
            engine.tables.changed(engine.catalog, transaction.reshapes)
        for call in transaction.on_commit:
            call()
        if transaction.redefines:
            await engine.hidden.refresh(engine.control)


async def _verdict(
    engine: Engine, participant: Participant, transaction: Transaction
) -> tuple[ServerMessage | None, Effects]:
    """Return why the transaction must not commit, or None, and its effects as far as somebody needs them.

    Checks what PostgreSQL cannot know; what it knows, its COMMIT will tell.
    """
    if transaction.doomed is not None:
        return transaction.doomed, NOTHING
    if transaction.catalog < engine.catalog:
        return verdicts.SCHEMA_CHANGED, NOTHING
    newer = engine.registry.newer(transaction.sequence)
    effects = transaction.parked or NOTHING
    if newer and clash(newer, effects, transaction.locks) is not None:
        return verdicts.CONFLICT, effects
    if transaction.parked is not None:
        lost = await resume(engine, participant, to_commit=True)
        if lost is not None:
            return lost, effects
    elif transaction.wrote and (newer or _is_remembered(engine, participant, transaction)):
        effects = await capture(engine, participant)
        if clash(newer, effects, transaction.locks) is not None:
            return verdicts.CONFLICT, effects
    if await references.clash(engine, participant, newer):
        return verdicts.CONFLICT, effects
    if transaction.sequence < engine.sequence and await _breaks_a_deferred_check(engine, participant):
        return verdicts.CONFLICT, effects
    return await size.excess(engine, participant, transaction), effects


async def _breaks_a_deferred_check(engine: Engine, participant: Participant) -> bool:
    """Tell whether a deferred foreign key fails because of rows that the transaction's snapshot does not show."""
    if not (await engine.tables.current(engine.catalog)).defers:
        return False
    _, answer = await ask(engine, participant, _GUARD + _CHECK_NOW, 2)
    fields = answer.error
    if fields is None:
        return False
    await participant.backend.request(_UNDO)
    return fields["C"] in SUSPECTS and await is_invisible(engine, participant, fields)


def _is_remembered(engine: Engine, participant: Participant, transaction: Transaction) -> bool:
    """Tell whether PostgreSQL is going to forget something that an open transaction must not ignore."""
    forgotten = transaction.removed or transaction.locks is not None
    return forgotten and engine.oldest_other(participant) is not None


def _remember(engine: Engine, participant: Participant, transaction: Transaction, effects: Effects) -> None:
    engine.registry.forget(engine.oldest_other(participant))
    if _is_remembered(engine, participant, transaction):
        engine.registry.record(engine.sequence, effects, transaction.locks)


async def _rows_and_rollback(
    engine: Engine, participant: Participant, transaction: Transaction
) -> tuple[str, ...]:
    """Roll back, and on the way read the keys of some rows that the transaction had written."""
    if transaction.parked is not None or not transaction.wrote:
        await participant.backend.request(_ROLLBACK)
        written = (row for each in (transaction.parked or NOTHING).tables for row in sorted(each.written))
        return tuple(row for row, _ in zip(written, range(_ROWS_SHOWN), strict=False))
    made = made_by(transaction.snapshot_end)
    looks = [
        f"SELECT {table.identity} FROM {table.name} WHERE pg_catalog.pg_relation_size({table.oid}) < {_SMALL_TABLE}"
        f" AND {made} LIMIT {_ROWS_SHOWN}"
        for table in await engine.tables.named(transaction.tables, engine.catalog)
    ]
    text = AS_SUPERUSER + "; ".join(looks)
    found, _ = await participant.backend.request(messages.query(text) + _ROLLBACK, 2)
    if found.error is not None:
        return ()
    return tuple(str(identity) for (identity,) in found.rows()[:_ROWS_SHOWN])
