"""What injections want to know of a COMMIT: the rows that it changes, and beforehand the word of predicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local_dsql.faults.injection import Attempt
from local_dsql.occ.parking import capture
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.faults.injection import Fault
    from local_dsql.occ.effects import Effects
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction

_LOOK = messages.query("SAVEPOINT local_dsql_look")
_LOOKED = messages.query("ROLLBACK TO SAVEPOINT local_dsql_look; RELEASE SAVEPOINT local_dsql_look")


@dataclass(frozen=True, slots=True)
class Foresight:
    """A COMMIT as injections see it, and the numbers of those whose predicates want it to fail.

    `looked` says that its rows have been read.
    """

    attempt: Attempt
    agreed: frozenset[int] = frozenset()
    looked: bool = False

    @classmethod
    def of(cls, participant: Participant, transaction: Transaction) -> Foresight:
        """Return what is known of a COMMIT without looking."""
        tables = frozenset(transaction.tables)
        statements = tuple(transaction.statements)
        return cls(Attempt(participant.role, participant.region, tables, statements=statements))


async def foresee(engine: Engine, participant: Participant) -> Foresight | None:
    """Ask the predicates about a COMMIT; None where none is to be asked, or it has lost already.

    Neither the mutex nor the backend's turn must be held. While a predicate is asked the transaction is idle, as it
    is between two statements: others may park it, commit over it and win, and it may grow too old.

    Raises:
        PredicateFailed: a predicate gave no verdict.
        ConnectionLost: the client has hung up meanwhile.
    """
    transaction = participant.transaction
    assert transaction is not None
    if transaction.reads_only or transaction.doomed is not None or transaction.catalog < engine.catalog:
        return None
    seen = Foresight.of(participant, transaction)
    if not engine.injector.has_predicate_for(seen.attempt):
        return None
    async with participant.backend.lock:
        attempt = replace(seen.attempt, rows=await _changed_rows(engine, participant, transaction))
    agreed = await engine.injector.evaluate_predicates(attempt)
    if participant.backend.is_gone:
        raise ConnectionLost
    return Foresight(attempt, agreed, looked=True)


async def strike(
    engine: Engine, participant: Participant, transaction: Transaction, foreseen: Foresight | None
) -> Fault | None:
    """Return what happens to a COMMIT whose turn has come, None if nothing does.

    The backend's turn must be held, and the transaction live. Rows are read here where only keys ask for them: who
    waits for nobody need not let others go first.
    """
    seen = foreseen or Foresight.of(participant, transaction)
    attempt = seen.attempt
    if not seen.looked and engine.injector.needs_rows(attempt):
        attempt = replace(attempt, rows=await _changed_rows(engine, participant, transaction))
    return engine.injector.next_fault(attempt, seen.agreed)


async def _changed_rows(
    engine: Engine, participant: Participant, transaction: Transaction
) -> Mapping[str, frozenset[str]]:
    """Return the identities of the rows that a transaction has changed, by table; costs a read of those tables.

    The backend's turn must be held.
    """
    if transaction.parked is not None:
        return _by_table(transaction.parked)
    if not transaction.wrote:
        return {}
    await participant.backend.request(_LOOK)
    effects = await capture(engine, participant)
    await participant.backend.request(_LOOKED)  # the client's role and settings are back
    return _by_table(effects)


def _by_table(effects: Effects) -> Mapping[str, frozenset[str]]:
    rows: dict[str, frozenset[str]] = {}
    for each in effects.tables:
        name = each.table.relation.lower()
        rows[name] = rows.get(name, frozenset()) | each.written
    return rows
