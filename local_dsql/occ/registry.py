"""What PostgreSQL forgets at COMMIT and the front has to remember, while an older snapshot is open.

Three kinds of facts about a row matter to transactions that began before the COMMIT: it was taken FOR UPDATE, it was
taken FOR KEY SHARE, or its key went away. Everything else PostgreSQL's row versions tell.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.occ.locks import Strength

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.occ.effects import Effects
    from local_dsql.occ.locks import RowLocks


class Fact(enum.Enum):
    """What happened to a row."""

    TAKEN = "FOR UPDATE"
    SHARED = "FOR KEY SHARE"
    REMOVED = "key removed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact about a row, as of the commit with that sequence number."""

    sequence: int
    oid: str
    identity: str
    fact: Fact


class Registry:
    """Facts about rows, newest last."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def newer(self, sequence: int) -> list[Entry]:
        """Return what was committed after a snapshot."""
        return [entry for entry in self._entries if entry.sequence > sequence]

    def forget(self, oldest: int | None) -> None:
        """Drop what no open snapshot is older than; None: no snapshot is open."""
        if self._entries:
            self._entries = [] if oldest is None else self.newer(oldest)

    def record(self, sequence: int, effects: Effects, locks: RowLocks | None) -> None:
        """Note what a commit has done."""
        for each in effects.tables:
            for identity in each.rekeyed:
                self._entries.append(Entry(sequence, each.table.oid, identity, Fact.REMOVED))
        for (table, identity), lock in locks.rows.items() if locks is not None else ():
            fact = Fact.TAKEN if lock.strength is Strength.UPDATE else Fact.SHARED
            self._entries.append(Entry(sequence, table.oid, identity, fact))


def clash(entries: Iterable[Entry], effects: Effects, locks: RowLocks | None) -> Entry | None:
    """Return a fact that a transaction with an older snapshot must not commit against, or None.

    The rules are those of AWS's conflict matrix (AWS user guide, concurrency control).
    """
    written, rekeyed, added = set(), set(), set()
    for each in effects.tables:
        written |= {(each.table.oid, identity) for identity in each.written}
        rekeyed |= {(each.table.oid, identity) for identity in each.rekeyed}
        added |= {(each.table.oid, identity) for identity in each.added}
    held = (
        {}
        if locks is None
        else {(table.oid, row): lock.strength for (table, row), lock in locks.rows.items()}
    )
    for entry in entries:
        row = (entry.oid, entry.identity)
        strength = held.get(row)
        if entry.fact is Fact.TAKEN and (row in written or strength is not None):
            return entry
        if entry.fact is Fact.SHARED and (row in rekeyed or strength is Strength.UPDATE):
            return entry
        if entry.fact is Fact.REMOVED and (row in added or strength is not None):
            return entry
    return None
