"""The write-ahead log as the engine asks it: what a backend has changed, and what others have committed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.changes import net_changes
from local_dsql.write_ahead_log.lsn import parse_lsn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.control import ControlConnections
    from local_dsql.write_ahead_log.changes import TableChanges
    from local_dsql.write_ahead_log.operations import LockStrength, Place, RowOperation
    from local_dsql.write_ahead_log.reader import LogReader
    from local_dsql.write_ahead_log.snapshot import Snapshot
    from local_dsql.write_ahead_log.transactions import CommittedTransaction

_PIECE = 512 * 1024
"""Bytes of the log that are read before others get a turn."""

_MANY = 1000

Holdings = dict[tuple[int, "Place"], "LockStrength"]

_NOW = "SELECT pg_catalog.pg_logical_emit_message(true, '', '')"
_OF_BACKEND = (
    "SELECT pg_catalog.pg_logical_emit_message(true, '', ''), backend_xid::text"
    " FROM pg_catalog.pg_stat_get_activity({pid})"
)
"""The message's own COMMIT flushes all that was written before it; `backend_xid` is the top-level number."""


@dataclass(frozen=True, slots=True)
class CommittedChanges:
    """What a transaction has committed: locks by file and base place, and by file the places made and gone.

    `keyed` are those made whose keys were not there before: of inserts, and of updates that may have changed a key.
    """

    xid: int
    lsn: int
    held: Holdings
    made: Mapping[int, frozenset[Place]]
    gone: Mapping[int, frozenset[Place]]
    keyed: Mapping[int, frozenset[Place]]


@dataclass(frozen=True, slots=True)
class OwnOperations:
    """The operations of an open transaction that have not been rolled back; `xid` is None if it has no number."""

    xid: int | None
    operations: list[RowOperation]

    def changes(self) -> dict[int, TableChanges]:
        """Return what is left of them, by file."""
        return net_changes(self.operations)

    def since(self, position: int) -> OwnOperations:
        """Return those that were logged from a position on."""
        return OwnOperations(self.xid, [each for each in self.operations if each.lsn >= position])


class LogFollower:
    """Reads the log on demand. Whatever was written or committed before a call is part of its result."""

    def __init__(self, control: ControlConnections, reader: LogReader) -> None:
        self._control = control
        self._reader = reader
        self._derived: dict[int, CommittedChanges] = {}
        self.end = reader.position
        """The latest position that PostgreSQL has told: its log is at least that long."""

    @property
    def position(self) -> int:
        """The position up to which the log has been read."""
        return self._reader.position

    async def operations(self, pid: int) -> OwnOperations:
        """Return the row operations of the transaction of an idle backend."""
        rows = await self._control.rows(_OF_BACKEND.format(pid=pid))
        if not rows:
            return OwnOperations(None, [])
        end, short = rows[0]
        await self._advance(parse_lsn(str(end)))
        if short is None:
            return OwnOperations(None, [])
        xid = self._reader.full_xid(int(short))
        return OwnOperations(xid, self._reader.operations([xid, *self._reader.subtransactions(xid)]))

    async def committed(self, snapshot: Snapshot) -> list[CommittedChanges]:
        """Return what transactions that a snapshot does not show have committed."""
        await self.catch_up()
        return [self._derive(each) for each in self._reader.committed(snapshot)]

    async def catch_up(self) -> None:
        """Read the log up to now."""
        rows = await self._control.rows(_NOW)
        await self._advance(parse_lsn(str(rows[0][0])))

    def skip(self, position: int) -> None:
        """Leave out the log before a position: no transaction that is open or begins can need it."""
        self.end = max(self.end, position)
        self._reader.skip(position)
        self._derived.clear()

    def forget(self, position: int) -> None:
        """Drop what was committed before a position, at which the oldest open transaction began."""
        self._reader.forget(position)
        if len(self._derived) > _MANY:
            self._derived = {xid: each for xid, each in self._derived.items() if each.lsn >= position}

    def forget_all(self) -> None:
        """Drop everything that was committed: no transaction is open."""
        self._reader.forget(self._reader.position)
        self._derived.clear()

    async def _advance(self, end: int) -> None:
        self.end = max(self.end, end)
        while not self._reader.advance_some(end, _PIECE):
            await asyncio.sleep(0)

    def _derive(self, transaction: CommittedTransaction) -> CommittedChanges:
        found = self._derived.get(transaction.xid)
        if found is None:
            found = self._derived[transaction.xid] = _derive(transaction)
        return found


def holdings(changes: Mapping[int, TableChanges]) -> Holdings:
    """Return the locks of changes that count in a conflict: a lock that an upsert took and did not use does not."""
    return {
        (file, place): strength
        for file, table in changes.items()
        for place, strength in table.held.items()
        if place in table.updates or place in table.deletes or place in table.locks
    }


def _derive(transaction: CommittedTransaction) -> CommittedChanges:
    changes = net_changes(transaction.operations)
    made = {file: frozenset(table.made) for file, table in changes.items() if table.made}
    gone = {
        file: frozenset(table.updates) | table.deletes
        for file, table in changes.items()
        if table.updates or table.deletes
    }
    keyed = {
        file: frozenset(table.inserts).union(
            own for base, own in table.updates.items() if base not in table.keys_unchanged
        )
        for file, table in changes.items()
    }
    return CommittedChanges(transaction.xid, transaction.lsn, holdings(changes), made, gone, keyed)
