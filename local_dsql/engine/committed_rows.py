"""Index by row of the changes committed while transactions are open: a COMMIT costs only its own changes.

Locks are found by file and place. Rows that were made or removed are listed by file. An update of one row costs 190
bytes until the snapshots of all open transactions show it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.write_ahead_log.changes import CONFLICTS, net_changes
from local_dsql.write_ahead_log.operations import LockStrength, OperationKind, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from local_dsql.write_ahead_log.changes import TableChanges
    from local_dsql.write_ahead_log.operations import RowOperation
    from local_dsql.write_ahead_log.snapshot import Snapshot
    from local_dsql.write_ahead_log.transactions import CommittedTransaction

Holdings = dict[tuple[int, Place], LockStrength]
"""Locks by file and base place."""

_MADE, _KEYED, _GONE, _REPLACED, _FREED = 1, 2, 4, 8, 16
"""Kinds of rows. One that is replaced is gone by an update; the row listed before it is its next version. The keys of
one that is freed are gone, too, as far as the log shows it: those of unique indexes of columns."""
_OFFSETS, _BLOCKS, _STRENGTHS = 1 << 16, 1 << 32, 1 << 3


def holdings(changes: Mapping[int, TableChanges]) -> Holdings:
    """Return the locks of changes that can conflict."""
    return {
        (file, place): strength for file, table in changes.items() for place, strength in table.needed.items()
    }


class Conflict(NamedTuple):
    """A lock of a transaction that conflicts with a committed one: the number of that, and the strength of the lock."""

    winner: int
    strength: LockStrength


@dataclass(slots=True)
class _File:
    """Rows of one file in the order of the COMMITs: transaction, largest number so far, place, kind of change."""

    xids: array[int] = field(default_factory=lambda: array("Q"))
    tops: array[int] = field(default_factory=lambda: array("Q"))
    places: array[int] = field(default_factory=lambda: array("Q"))
    kinds: array[int] = field(default_factory=lambda: array("B"))

    def add(self, xid: int, place: Place, kind: int) -> None:
        self.xids.append(xid)
        self.tops.append(max(xid, self.tops[-1]) if self.tops else xid)
        self.places.append(place.block * _OFFSETS + place.offset)
        self.kinds.append(kind)

    def _entries(self, snapshot: Snapshot) -> Iterator[tuple[int, Place]]:
        for at in range(bisect_left(self.tops, snapshot.xmin), len(self.tops)):
            if not snapshot.shows(self.xids[at]):
                yield self.kinds[at], Place(*divmod(self.places[at], _OFFSETS))

    def newer(self, snapshot: Snapshot, kind: int) -> Iterator[Place]:
        return (place for each, place in self._entries(snapshot) if each & kind)

    def keyed(self, snapshot: Snapshot) -> dict[Place, None]:
        """Return the rows whose keys a snapshot does not show, and all their versions since."""
        found: dict[Place, None] = {}
        made = None
        for kind, place in self._entries(snapshot):
            if kind & _KEYED:
                found[place] = None
            elif kind & _MADE:
                found.pop(place, None)  # PostgreSQL has used the place of a removed row again
                made = place
            elif kind & _REPLACED and place in found and made is not None:
                found[made] = None
            if not kind & _MADE or kind & _KEYED:
                made = None
        return found

    def inserted(self, snapshot: Snapshot) -> dict[Place, None]:
        """Return the rows of which a snapshot shows no version."""
        found: dict[Place, None] = {}
        made = None
        for kind, place in self._entries(snapshot):
            if kind & _MADE:
                found[place], made = None, place
            elif kind & _REPLACED and place not in found and made is not None:
                found.pop(made, None)
        return found

    def versions(self, snapshot: Snapshot, of: Iterable[Place]) -> dict[Place, None]:
        """Return rows that a snapshot shows, and all their versions since."""
        return _follow(self._entries(snapshot), of)

    def makers(self, snapshot: Snapshot, of: Iterable[Place]) -> set[int]:
        """Return the transactions that have made rows out of those that a snapshot shows, in several steps, too."""
        found: set[int] = set()
        wanted, replaced = set(of), None
        for at in range(len(self.xids) - 1, bisect_left(self.tops, snapshot.xmin) - 1, -1):
            kind, place = self.kinds[at], Place(*divmod(self.places[at], _OFFSETS))
            if kind & _MADE and place in wanted and not snapshot.shows(self.xids[at]):
                found.add(self.xids[at])
                wanted.remove(place)
                if replaced is not None:
                    wanted.add(replaced)
            replaced = place if kind & _REPLACED else None
        return found

    def next_versions(self, of: Collection[Place]) -> Collection[Place]:
        """Return all versions since of rows that have been replaced. Only entries since then are read."""
        wanted = set(of)
        entries: list[tuple[int, Place]] = []
        for at in range(len(self.places) - 1, -1, -1):
            kind, place = self.kinds[at], Place(*divmod(self.places[at], _OFFSETS))
            entries.append((kind, place))
            if not wanted and kind & _MADE:
                break
            if kind & _REPLACED:
                wanted.discard(place)
        return _follow(reversed(entries), of).keys() - set(of)

    def forget(self, xmin: int) -> int:
        shown = bisect_left(self.tops, xmin)
        for each in (self.xids, self.tops, self.places, self.kinds):
            del each[:shown]
        return shown


def _follow(entries: Iterable[tuple[int, Place]], of: Iterable[Place]) -> dict[Place, None]:
    """Return rows, and all their versions in entries of a file."""
    found, made = dict.fromkeys(of), None
    for kind, place in entries:
        if kind & _MADE:
            found.pop(place, None)  # PostgreSQL has used the place of a removed row again
            made = place
        elif kind & _REPLACED and place in found and made is not None:
            found[made] = None
    return found


class CommittedRows:
    """Locks and rows of committed transactions, until `forget` drops them."""

    def __init__(self) -> None:
        self._locks: dict[int, tuple[int, ...] | int] = {}
        """Key: file and place in one number. Value: transaction and strength in one number, or a list of such
        numbers."""
        self._locked: list[int] = []
        """The keys of `_locks` in the order of the COMMITs, one for each lock."""
        self._tops = array("Q")
        """Largest number of a transaction so far, for each of them."""
        self._files: dict[int, _File] = {}
        self._rows = 0

    def __len__(self) -> int:
        """Return the number of locks and rows."""
        return len(self._locked) + self._rows

    def add(self, transaction: CommittedTransaction) -> None:
        """Add the changes and locks of a committed transaction."""
        xid, operations = transaction.xid, transaction.operations
        if len(operations) == 1 and not operations[0].multixact:
            self._add_one(xid, operations[0])
            return
        changes = net_changes(operations)
        self._add_locks(xid, holdings(changes))
        for file, table in changes.items():
            for place in table.inserts:
                self._row(xid, file, place, _MADE | _KEYED)
            for base, own in table.updates.items():
                kept = base in table.keys_unchanged
                self._row(xid, file, own, _MADE if kept else _MADE | _KEYED)
                self._row(xid, file, base, _GONE | _REPLACED if kept else _GONE | _REPLACED | _FREED)
            for place in table.deletes:
                self._row(xid, file, place, _GONE | _FREED)

    def _add_one(self, xid: int, operation: RowOperation) -> None:
        """Add a transaction of one operation, as most are."""
        kind, file, old, new, strength, _, _, keys_unchanged = operation
        if new is not None:
            self._row(xid, file, new, _MADE if keys_unchanged else _MADE | _KEYED)
        if old is None or kind is OperationKind.LOCK_UPDATED:
            return
        assert strength is not None
        if kind is OperationKind.LOCK:
            if strength is LockStrength.NO_KEY_UPDATE:
                return
        else:
            kept = _REPLACED if keys_unchanged else _REPLACED | _FREED
            self._row(xid, file, old, _GONE | (_FREED if new is None else kept))
        self._add_locks(xid, {(file, old): strength})

    def _add_locks(self, xid: int, locks: Holdings) -> None:
        """Add locks. A lock FOR KEY SHARE is also one of the versions that others have made of the row under it.

        PostgreSQL hands it on to a new version without a record in the log.
        """
        replaced: dict[int, list[Place]] = {}
        for (file, place), strength in locks.items():
            others = self._lock(xid, (file, place), strength)
            if strength is LockStrength.KEY_SHARE and any(
                each % _STRENGTHS == LockStrength.NO_KEY_UPDATE for each in others
            ):
                replaced.setdefault(file, []).append(place)
        for file, places in replaced.items():
            rows = self._files.get(file)
            for place in rows.next_versions(places) if rows is not None else ():
                self._lock(xid, (file, place), LockStrength.KEY_SHARE)

    def _lock(self, xid: int, lock: tuple[int, Place], strength: LockStrength) -> tuple[int, ...]:
        """Add a lock, and return the other ones of the same row."""
        key, entry = _key(*lock), xid * _STRENGTHS + strength
        known = self._locks.get(key)
        others = () if known is None else _several(known)
        self._locks[key] = (*others, entry) if others else entry
        self._locked.append(key)
        self._tops.append(max(xid, self._tops[-1]) if self._tops else xid)
        return others

    def _row(self, xid: int, file: int, place: Place, kind: int) -> None:
        rows = self._files.get(file)
        if rows is None:
            rows = self._files[file] = _File()
        rows.add(xid, place, kind)
        self._rows += 1

    def conflicts(self, mine: Holdings, snapshot: Snapshot) -> list[Conflict]:
        """Return the conflicts of locks with those of transactions that a snapshot does not show."""
        found = []
        for (file, place), strength in mine.items():
            for entry in _several(self._locks.get(_key(file, place), ())):
                xid, theirs = divmod(entry, _STRENGTHS)
                if theirs in CONFLICTS[strength] and not snapshot.shows(xid):
                    found.append(Conflict(xid, strength))
        return found

    def rows(self, file: int, snapshot: Snapshot, kind: int) -> Iterator[Place]:
        """Return places of rows changed in a given way by transactions that a snapshot does not show."""
        rows = self._files.get(file)
        return rows.newer(snapshot, kind) if rows is not None else iter(())

    def keyed(self, file: int, snapshot: Snapshot) -> Collection[Place]:
        """Return places of rows whose keys a snapshot does not show, with those of their next versions."""
        rows = self._files.get(file)
        return rows.keyed(snapshot) if rows is not None else ()

    def inserted(self, file: int, snapshot: Snapshot) -> Collection[Place]:
        """Return places of rows of which a snapshot shows no version."""
        rows = self._files.get(file)
        return rows.inserted(snapshot) if rows is not None else ()

    def versions(self, file: int, snapshot: Snapshot, of: Collection[Place]) -> Collection[Place]:
        """Return places of rows that a snapshot shows, with those of their next versions."""
        rows = self._files.get(file)
        return rows.versions(snapshot, of) if rows is not None else of

    @property
    def files(self) -> Collection[int]:
        """The files with rows."""
        return self._files.keys()

    def makers(self, file: int, snapshot: Snapshot, of: Collection[Place]) -> Collection[int]:
        """Return the numbers of the transactions that a snapshot does not show and that have made rows at places."""
        rows = self._files.get(file)
        return rows.makers(snapshot, of) if rows is not None else ()

    def writers(self, files: Iterable[int], snapshot: Snapshot) -> tuple[int, ...]:
        """Return the numbers of the transactions that changed rows in files and that a snapshot does not show."""
        found = {
            xid
            for file in files
            if (rows := self._files.get(file)) is not None
            for xid in rows.xids[bisect_left(rows.tops, snapshot.xmin) :]
            if not snapshot.shows(xid)
        }
        return tuple(sorted(found))

    def forget(self, xmin: int) -> None:
        """Drop the changes of transactions below a number, because every snapshot in use shows them."""
        shown = bisect_left(self._tops, xmin)
        for key in self._locked[:shown]:
            left = tuple(each for each in _several(self._locks.get(key, ())) if each // _STRENGTHS >= xmin)
            if left:
                self._locks[key] = left
            else:
                self._locks.pop(key, None)
        del self._locked[:shown], self._tops[:shown]
        for file, rows in list(self._files.items()):
            self._rows -= rows.forget(xmin)
            if not rows.xids:
                del self._files[file]

    def clear(self) -> None:
        """Drop everything."""
        self._locks.clear()
        self._locked.clear()
        del self._tops[:]
        self._files.clear()
        self._rows = 0


def _key(file: int, place: Place) -> int:
    return (file * _BLOCKS + place.block) * _OFFSETS + place.offset


def _several(entries: tuple[int, ...] | int) -> tuple[int, ...]:
    return (entries,) if isinstance(entries, int) else entries


class Newer:
    """Changes of committed transactions that a snapshot does not show."""

    __slots__ = ("_rows", "_snapshot")

    def __init__(self, rows: CommittedRows, snapshot: Snapshot) -> None:
        self._rows = rows
        self._snapshot = snapshot

    def conflicts(self, mine: Holdings) -> list[Conflict]:
        """Return the conflicts of a transaction's locks with these changes."""
        return self._rows.conflicts(mine, self._snapshot)

    def made(self, file: int) -> Iterator[Place]:
        """Return the rows made in a file."""
        return self._rows.rows(file, self._snapshot, _MADE)

    def keyed(self, file: int) -> Collection[Place]:
        """Return those whose keys were not there before: inserts, updates of a key, and what became of both since."""
        return self._rows.keyed(file, self._snapshot)

    def inserted(self, file: int) -> Collection[Place]:
        """Return the rows of which the snapshot shows no version."""
        return self._rows.inserted(file, self._snapshot)

    def versions(self, file: int, of: Collection[Place]) -> Collection[Place]:
        """Return rows that the snapshot shows, and what they have made of them."""
        return self._rows.versions(file, self._snapshot, of)

    def gone(self, file: int) -> Iterator[Place]:
        """Return the rows updated or deleted in a file."""
        return self._rows.rows(file, self._snapshot, _GONE)

    def has_made(self, file: int) -> bool:
        """Return whether rows were made in a file."""
        return next(self.made(file), None) is not None

    def has_freed(self, file: int) -> bool:
        """Return whether keys of rows are gone in a file, if all its unique indexes are of columns."""
        return next(self._rows.rows(file, self._snapshot, _FREED), None) is not None

    def has_removed(self, file: int) -> bool:
        """Return whether rows were updated or deleted in a file."""
        return next(self.gone(file), None) is not None

    def files(self) -> frozenset[int]:
        """Return the files with rows that were made or removed."""
        return frozenset(each for each in self._rows.files if self.has_made(each) or self.has_removed(each))

    def files_with_removed(self) -> list[int]:
        """Return the files with rows that were updated or deleted."""
        return [each for each in self._rows.files if self.has_removed(each)]

    def makers(self, file: int, of: Collection[Place]) -> Collection[int]:
        """Return the numbers of the transactions that have made the rows at places, and their versions before."""
        return self._rows.makers(file, self._snapshot, of)

    def writers(self, files: Collection[int]) -> tuple[int, ...]:
        """Return the numbers of the transactions that changed rows in some files."""
        return self._rows.writers(files, self._snapshot)
