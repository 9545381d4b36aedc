"""Rows taken FOR UPDATE and FOR KEY SHARE.

PostgreSQL forgets such a lock at COMMIT; to DSQL it counts like a change (FOR UPDATE) or forbids only that the key
goes away (FOR KEY SHARE). So the front finds out which rows a locking statement has taken, and remembers.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.occ.effects import holdings
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.tables import Table


class Strength(enum.Enum):
    """How strong a row lock is."""

    KEY_SHARE = "FOR KEY SHARE"
    UPDATE = "FOR UPDATE"


@dataclass(frozen=True, slots=True)
class RowLock:
    """One row that is locked: where the version is that was locked, and how strongly."""

    at: str
    strength: Strength


@dataclass(slots=True)
class RowLocks:
    """The rows that one transaction has locked, by table and identity."""

    rows: dict[tuple[Table, str], RowLock] = field(default_factory=dict)

    def add(self, table: Table, identity: str, at: str, strength: Strength) -> None:
        """Note a lock; a stronger one stays."""
        known = self.rows.get((table, identity))
        if known is None or known.strength is Strength.KEY_SHARE:
            self.rows[table, identity] = RowLock(at, strength)

    def statements(self) -> list[str]:
        """Return the SELECTs that take the locks again."""
        grouped: dict[tuple[Table, Strength], list[str]] = {}
        for (table, _), lock in self.rows.items():
            grouped.setdefault((table, lock.strength), []).append(lock.at)
        return [
            f"SELECT 1 FROM {table.name} WHERE ctid = ANY(ARRAY[{','.join(map(literal, places))}]::pg_catalog.tid[])"
            f" {strength.value}"
            for (table, strength), places in grouped.items()
        ]


async def note_locks(
    engine: Engine, participant: Participant, before: frozenset[str], strength: Strength
) -> None:
    """Remember the rows that the last statement has locked.

    The statement ran within a savepoint of its own, so what it locked carries a transaction number that is not among
    those of `before`; a row that others share carries a MultiXact of which that number is a member.
    """
    transaction = participant.transaction
    assert transaction is not None
    (holding,) = await holdings(engine.control, f"ARRAY[{participant.backend.pid}]")
    fresh = [number for number in holding.numbers if number not in before]
    if not fresh:
        return
    relations = await engine.control.exclusive_rows(
        f"SELECT DISTINCT relation::text FROM pg_locks WHERE pid = {participant.backend.pid} AND mode = 'RowShareLock'"
    )
    tables = await engine.tables.of((str(oid) for (oid,) in relations), engine.catalog)
    mine = f"ARRAY[{','.join(map(literal, fresh))}]::xid[]"
    if transaction.locks is None:
        transaction.locks = RowLocks()
    for table in tables:
        rows = await engine.control.exclusive_rows(
            f"SELECT {table.identity}, ctid::text FROM {table.name} t WHERE xmax <> '0'::xid"
            f" AND (xmax = ANY({mine}) OR local_dsql.sharers(xmax) && {mine})"
        )
        for identity, at in rows:
            transaction.locks.add(table, str(identity), str(at), strength)
