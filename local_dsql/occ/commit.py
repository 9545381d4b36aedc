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


async def commit(engine: Engine, participant: Participant) -> bytes | None:
    """Commit the participant's transaction; return the error to send, None on success.

    The transaction is over either way. The mutex must be held unless it only reads; the backend's turn must be.
    """
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
