"""What injections want to know of a COMMIT before its turn comes: the rows it changes, the word of predicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local_dsql.occ.injection import Attempt
from local_dsql.occ.parking import capture
from local_dsql.wire import messages
from local_dsql.wire.backend import BackendGone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.occ.effects import Effects
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction

_LOOK = messages.query("SAVEPOINT local_dsql_look")
_LOOKED = messages.query("ROLLBACK TO SAVEPOINT local_dsql_look; RELEASE SAVEPOINT local_dsql_look")


@dataclass(frozen=True, slots=True)
class Foresight:
    """A COMMIT as injections see it, and the numbers of those whose predicates want it to fail."""

    attempt: Attempt
    agreed: frozenset[int] = frozenset()

    @classmethod
    def of(cls, participant: Participant, transaction: Transaction) -> Foresight:
        """Return what is known of a COMMIT without looking."""
        tables = frozenset(transaction.tables)
        statements = tuple(transaction.statements)
        return cls(Attempt(participant.role, participant.region, tables, statements=statements))


async def foresee(engine: Engine, participant: Participant) -> Foresight | None:
    """Look at a COMMIT and ask the predicates about it; None where it has nothing to commit, or has lost already.

    Neither the mutex nor the backend's turn must be held. While a predicate is asked the transaction is idle, as it
    is between two statements: others may park it, commit over it and win, and it may grow too old.

    Raises:
        PredicateFailed: a predicate gave no verdict.
        BackendGone: the client has hung up meanwhile.
    """
    transaction = participant.transaction
    assert transaction is not None
    if transaction.reads_only or transaction.doomed is not None or transaction.catalog < engine.catalog:
        return None
    seen = Foresight.of(participant, transaction)
    if not engine.injector.wants_rows(seen.attempt):
        return seen
    attempt = replace(seen.attempt, rows=await _changed_rows(engine, participant, transaction))
    agreed = await engine.injector.ask(attempt)
    if participant.backend.is_gone:
        raise BackendGone
    return Foresight(attempt, agreed)


async def _changed_rows(
    engine: Engine, participant: Participant, transaction: Transaction
) -> Mapping[str, frozenset[str]]:
    """Return the identities of the rows that a transaction has changed, by table; costs a read of those tables."""
    async with participant.backend.turn:
        if transaction.parked is not None:
            return _by_table(transaction.parked)
        if not transaction.wrote:
            return {}
        await participant.backend.ask(_LOOK)
        effects = await capture(engine, participant)
        await participant.backend.ask(_LOOKED)  # the client's role and settings are back
    return _by_table(effects)


def _by_table(effects: Effects) -> Mapping[str, frozenset[str]]:
    rows: dict[str, frozenset[str]] = {}
    for each in effects.tables:
        name = each.table.relation.lower()
        rows[name] = rows.get(name, frozenset()) | each.written
    return rows
