"""Queries of the write-ahead log: the changes of a backend's transaction, and the changes that others have
committed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.engine.committed_rows import CommittedRows, Newer
from local_dsql.engine.errors import EngineError
from local_dsql.write_ahead_log.changes import net_changes
from local_dsql.write_ahead_log.errors import LogGap
from local_dsql.write_ahead_log.lsn import parse_lsn
from local_dsql.write_ahead_log.operations import OperationKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.engine.control import ControlConnections
    from local_dsql.engine.transaction import Transaction
    from local_dsql.write_ahead_log.changes import TableChanges
    from local_dsql.write_ahead_log.operations import RowOperation
    from local_dsql.write_ahead_log.reader import LogReader
    from local_dsql.write_ahead_log.snapshot import Snapshot

MOST_KEPT = 1_500_000
"""Locks and rows of others that are kept for open transactions: 500,000 updates of one row, in 95 MB. Beyond that, no
open transaction can be checked for conflicts."""

_PIECE = 128 * 1024
"""Bytes of the log that are read before other tasks run."""

_CATALOG = 16384
"""Files with numbers below it are tables of the catalog."""
_LOCKING = (OperationKind.LOCK, OperationKind.LOCK_UPDATED)

_NOW = "SELECT pg_catalog.pg_logical_emit_message(true, '', '')"
_OF_BACKEND = (
    "SELECT pg_catalog.pg_logical_emit_message(true, '', ''), backend_xid::text"
    " FROM pg_catalog.pg_stat_get_activity({pid})"
)
"""The COMMIT of the message flushes everything that was written before it. `backend_xid` is the top-level number."""


@dataclass(frozen=True, slots=True)
class OwnOperations:
    """The operations of an open transaction that have not been rolled back; `xid` is None if it has no number."""

    xid: int | None
    operations: list[RowOperation]

    def changes(self) -> dict[int, TableChanges]:
        """Return the net changes, by file."""
        return net_changes(self.operations)

    def of_catalog(self) -> Counter[tuple[int, OperationKind]]:
        """Return how often the tables of the catalog have been changed, by file and kind."""
        changes = (each for each in self.operations if each.file < _CATALOG and each.kind not in _LOCKING)
        return Counter((each.file, each.kind) for each in changes)

    def since(self, position: int) -> OwnOperations:
        """Return those that were logged from a position on."""
        return OwnOperations(self.xid, [each for each in self.operations if each.lsn >= position])


class LogFollower:
    """Reads the log on demand. A result includes everything that was written or committed before the call.

    `on_loss` is called if the log to read is gone, or if more than `most` locks and rows were committed while
    transactions are open.
    """

    def __init__(self, control: ControlConnections, reader: LogReader) -> None:
        self._control = control
        self._reader = reader
        self._committed = CommittedRows()
        self.most = MOST_KEPT
        self.on_loss: Callable[[], None] = lambda: None
        """Called when committed changes, or those of open transactions, are no longer known."""
        self.end = reader.position
        """The latest position that PostgreSQL has reported: its log is at least that long."""

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

    async def newer(self, transaction: Transaction, *, than_first: bool = False) -> Newer:
        """Return the changes by others that the snapshot of a transaction (or its first one) does not show.

        Raises:
            EngineError: they are no longer known.
        """
        snapshot = transaction.first_snapshot if than_first else transaction.snapshot
        return await self.newer_than(transaction, snapshot)

    def newer_so_far(self, transaction: Transaction, *, than_first: bool = False) -> Newer:
        """As `newer`, up to `position`: right after `operations`, that is all that could conflict with these.

        Raises:
            EngineError: they are no longer known.
        """
        return self._newer(transaction, transaction.first_snapshot if than_first else transaction.snapshot)

    async def newer_than(self, transaction: Transaction, snapshot: Snapshot) -> Newer:
        """Return the changes by others that a snapshot of the transaction does not show, as `newer`."""
        await self.catch_up()
        return self._newer(transaction, snapshot)

    def _newer(self, transaction: Transaction, snapshot: Snapshot) -> Newer:
        if transaction.log_lost:
            raise EngineError("what others have committed since the snapshot of a transaction is not known")
        return Newer(self._committed, snapshot)

    async def catch_up(self) -> None:
        """Read the log up to now."""
        rows = await self._control.rows(_NOW)
        await self._advance(parse_lsn(str(rows[0][0])))

    def full_xid(self, xid: int) -> int:
        """Return the 64-bit number of a running transaction's 32-bit one."""
        return self._reader.full_xid(xid)

    def skip(self, position: int) -> None:
        """Skip the log before a position: no transaction that is open or begins can need it."""
        self.end = max(self.end, position)
        self._reader.skip(position)
        self._committed.clear()

    def forget(self, xmin: int, position: int) -> None:
        """Drop the committed changes of transactions below a number, because every snapshot in use shows them.

        MultiXacts made before a position are dropped, too; no open transaction can have written before it.
        """
        self._reader.forget(position)
        self._committed.forget(xmin)

    @property
    def kept(self) -> int:
        """Number of locks and rows of committed transactions that are kept for the open ones."""
        return len(self._committed)

    async def _advance(self, end: int) -> None:
        self.end = max(self.end, end)
        done = False
        while not done:
            try:
                done = self._reader.advance_some(end, _PIECE)
            except LogGap as gap:
                self._reader.skip(end)
                self._lose()
                raise EngineError(str(gap)) from gap
            for transaction in self._reader.take_committed():
                self._committed.add(transaction)
            if len(self._committed) > self.most:
                self._lose()
            if not done:
                await asyncio.sleep(0)

    def _lose(self) -> None:
        """Forget the committed changes: no open transaction can be checked for conflicts."""
        self._committed.clear()
        self.on_loss()
