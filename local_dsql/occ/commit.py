"""COMMIT: where a transaction learns whether it has won."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.occ import verdicts
from local_dsql.occ.effects import NOTHING
from local_dsql.occ.parking import capture, resume
from local_dsql.occ.registry import clash
from local_dsql.occ.waiting import ask
from local_dsql.wire import messages

if TYPE_CHECKING:
    from local_dsql.occ.effects import Effects
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction

_COMMIT = messages.query("COMMIT")
_ROLLBACK = messages.query("ROLLBACK")


class Ending:
    """A COMMIT on its way: run by its session, or by whoever finds that the session is in the way."""

    def __init__(self, engine: Engine, participant: Participant) -> None:
        self._engine = engine
        self._participant = participant
        self._done = False
        self._error: bytes | None = None

    async def at_its_turn(self) -> bytes | None:
        """Commit, waiting for the mutex where one is needed; return the error to send, None on success.

        COMMITs go before waiting statements: the fewer transactions are live, the fewer must be parked.
        """
        transaction = self._participant.transaction
        assert transaction is not None
        if transaction.reads_only or transaction.doomed is not None:
            return await self.now()
        self._participant.ending = self
        await self._engine.mutex.take(first=True)
        try:
            return await self.now()
        finally:
            self._participant.ending = None
            self._engine.mutex.release()

    async def now(self) -> bytes | None:
        """Commit, if it has not been done yet. The mutex must be held where one is needed."""
        async with self._participant.backend.turn:
            if not self._done:
                self._error = await _commit(self._engine, self._participant)
                self._done = True
                self._engine.ended(self._participant.transaction)
                self._participant.transaction = None
        return self._error


async def _commit(engine: Engine, participant: Participant) -> bytes | None:
    transaction = participant.transaction
    assert transaction is not None
    if not transaction.reads_only and not await _may_commit(engine, participant, transaction):
        await participant.backend.ask(_ROLLBACK)
        assert transaction.doomed is not None
        return transaction.doomed.encode()
    (answer,) = await ask(engine, participant, _COMMIT)
    if (fields := answer.error) is not None:
        lost = fields["C"] == "40001"
        return verdicts.CONFLICT.encode() if lost else messages.error(fields)
    _count(engine, transaction)
    for call in transaction.on_commit:
        call()
    return None


def _count(engine: Engine, transaction: Transaction) -> None:
    if not transaction.reads_only:
        engine.sequence += 1
    if transaction.rules.ddl:
        engine.catalog += 1


async def _may_commit(engine: Engine, participant: Participant, transaction: Transaction) -> bool:
    """Check what PostgreSQL cannot know, and note what it is going to forget."""
    if transaction.doomed is None and transaction.catalog < engine.catalog:
        transaction.doomed = verdicts.SCHEMA_CHANGED
    if transaction.doomed is not None:
        return False
    newer = engine.registry.newer(transaction.sequence)
    oldest = engine.oldest_other(participant)
    remembered = oldest is not None and (transaction.removed or transaction.locks is not None)
    effects = transaction.parked or NOTHING
    if newer and clash(newer, effects, transaction.locks) is not None:
        transaction.doomed = verdicts.CONFLICT
        return False
    if transaction.parked is not None:
        await resume(engine, participant)
    elif newer or remembered:
        effects = await capture(engine, participant) if transaction.wrote else NOTHING
        if newer and clash(newer, effects, transaction.locks) is not None:
            transaction.doomed = verdicts.CONFLICT
    if transaction.doomed is not None:
        return False
    _remember(engine, transaction, effects, oldest, remembered)
    return True


def _remember(
    engine: Engine, transaction: Transaction, effects: Effects, oldest: int | None, remembered: bool
) -> None:
    engine.registry.forget(oldest)
    if remembered:
        engine.registry.record(engine.sequence + 1, effects, transaction.locks)
