"""Net changes of a transaction in each table, by the places of row versions, and conflicts of two transactions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.operations import LockStrength, OperationKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from local_dsql.write_ahead_log.operations import Place, RowOperation

CONFLICTS: Mapping[LockStrength, frozenset[LockStrength]] = {
    LockStrength.KEY_SHARE: frozenset({LockStrength.UPDATE}),
    LockStrength.SHARE: frozenset({LockStrength.NO_KEY_UPDATE, LockStrength.UPDATE}),
    LockStrength.NO_KEY_UPDATE: frozenset(set(LockStrength) - {LockStrength.KEY_SHARE}),
    LockStrength.UPDATE: frozenset(LockStrength),
}
"""Row locks that conflict (documentation of PostgreSQL 16, table 13.3)."""


@dataclass(slots=True)
class TableChanges:
    """Changes of one table. *Base* places are row versions of others, *own* places those that the transaction has made.

    Attributes:
        updates: own place of the newest version, by base place.
        deletes: base places.
        inserts: own places, in the order in which they were made.
        held: strongest lock on each base place, including the locks of the changes.
        locks: base places to lock again, with the strength: rows that are not changed, and rows whose lock is stronger
            than their update's.
        keys_unchanged: updated base places whose updates have all kept the keys.
    """

    updates: dict[Place, Place] = field(default_factory=dict)
    deletes: set[Place] = field(default_factory=set)
    inserts: list[Place] = field(default_factory=list)
    held: dict[Place, LockStrength] = field(default_factory=dict)
    locks: dict[Place, LockStrength] = field(default_factory=dict)
    keys_unchanged: set[Place] = field(default_factory=set)

    @property
    def needed(self) -> dict[Place, LockStrength]:
        """Return the locks that can conflict, by base place: `held` without those that an upsert has not used."""
        return {
            place: self.locks[place] if unused else strength
            for place, strength in self.held.items()
            if not (unused := self._is_unused(place, strength)) or place in self.locks
        }

    def _is_unused(self, place: Place, strength: LockStrength) -> bool:
        changed = place in self.updates or place in self.deletes
        return strength is LockStrength.NO_KEY_UPDATE and not changed

    @property
    def made(self) -> list[Place]:
        """Return all own places: those of the updates, then those of the inserts."""
        return [*self.updates.values(), *self.inserts]

    def __bool__(self) -> bool:
        """Return whether there is a change, or a lock to acquire again."""
        return bool(self.updates or self.deletes or self.inserts or self.locks)

    def hold(self, place: Place, strength: LockStrength) -> None:
        """Record a lock on a base place; the strongest one counts."""
        _raise(self.held, place, strength)

    def settle(self) -> None:
        """Drop locks that need not be acquired again.

        An update or a delete locks its row itself; an update does that less strongly than FOR UPDATE.
        """
        self.keys_unchanged &= self.updates.keys()
        for place, strength in list(self.locks.items()):
            updated = place in self.updates and strength is not LockStrength.UPDATE
            if updated or place in self.deletes:
                del self.locks[place]


class _Fold:
    """Follow row versions from operation to operation."""

    def __init__(self, multixact_strength: Callable[[int, LockStrength], LockStrength]) -> None:
        self._multixact_strength = multixact_strength
        self.tables: dict[int, TableChanges] = {}
        self._origins: dict[tuple[int, Place], Place | None] = {}
        """Base place of every own version that is current; None for an inserted row."""
        self._rekeyed: set[tuple[int, Place]] = set()
        self._upserted: list[tuple[TableChanges, Place]] = []
        """Rows that an upsert has locked, and perhaps not changed."""

    def add(self, operation: RowOperation) -> None:
        table = self.tables.get(operation.file)
        if table is None:
            table = self.tables[operation.file] = TableChanges()
        if operation.old is None:
            assert operation.new is not None
            self._origins[operation.file, operation.new] = None
        elif operation.kind is OperationKind.LOCK or operation.kind is OperationKind.LOCK_UPDATED:
            self._lock(table, operation, operation.old)
        else:
            self._replace(table, operation, operation.old)

    def _lock(self, table: TableChanges, operation: RowOperation, old: Place) -> None:
        strength = operation.strength
        assert strength is not None
        if operation.multixact:
            strength = self._multixact_strength(operation.multixact, strength)
        own = (operation.file, old) in self._origins
        base = self._origins[operation.file, old] if own else old
        if base is None:
            return
        table.hold(base, strength)
        if strength is LockStrength.NO_KEY_UPDATE:
            self._upserted.append((table, base))
        elif operation.kind is OperationKind.LOCK:
            _raise(table.locks, base, strength)

    def _replace(self, table: TableChanges, operation: RowOperation, old: Place) -> None:
        base = self._origins.pop((operation.file, old), old)
        if base is not None:
            assert operation.strength is not None
            table.hold(base, operation.strength)
        if operation.new is None:
            if base is not None:
                table.deletes.add(base)
            return
        self._origins[operation.file, operation.new] = base
        if base is not None:
            if not operation.keys_unchanged:
                self._rekeyed.add((operation.file, base))
            table.keys_unchanged.add(base)

    def finish(self) -> dict[int, TableChanges]:
        for (file, new), base in self._origins.items():
            if base is None:
                self.tables[file].inserts.append(new)
            else:
                self.tables[file].updates[base] = new
        for file, base in self._rekeyed:
            self.tables[file].keys_unchanged.discard(base)
        self._share_upserted()
        for table in self.tables.values():
            table.settle()
        return {file: table for file, table in self.tables.items() if table or table.held}

    def _share_upserted(self) -> None:
        """Lock rows that an upsert has not changed FOR KEY SHARE, if the transaction has made rows.

        The upsert's own lock is no conflict in DSQL. But PostgreSQL logs no FOR KEY SHARE under it, so rows that were
        made may refer to these.
        """
        for table, base in self._upserted if self._origins else ():
            _raise(table.locks, base, LockStrength.KEY_SHARE)


def _strongest(multixact: int, strongest: LockStrength) -> LockStrength:
    return strongest


def net_changes(
    operations: Iterable[RowOperation],
    *,
    multixact_strength: Callable[[int, LockStrength], LockStrength] = _strongest,
) -> dict[int, TableChanges]:
    """Return the net changes of a transaction, by file.

    Args:
        operations: operations of one transaction in the order of the log, without those that were rolled back.
        multixact_strength: returns the lock of this transaction in a MultiXact, given its number and the strongest lock
            of all its members. It is called only for a MultiXact whose creation was not read. The default takes the
            strongest.
    """
    fold = _Fold(multixact_strength)
    for operation in operations:
        fold.add(operation)
    return fold.finish()


def conflicts(
    mine: Mapping[tuple[int, Place], LockStrength], theirs: Mapping[tuple[int, Place], LockStrength]
) -> bool:
    """Return whether two transactions hold conflicting locks, by file and base place."""
    fewer, more = (mine, theirs) if len(mine) < len(theirs) else (theirs, mine)
    return any(place in more and more[place] in CONFLICTS[strength] for place, strength in fewer.items())


def _raise(locks: dict[Place, LockStrength], place: Place, strength: LockStrength) -> None:
    known = locks.get(place)
    if known is None or known < strength:
        locks[place] = strength
