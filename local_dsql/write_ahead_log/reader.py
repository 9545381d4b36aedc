"""Reader of the write-ahead log: record by record, in bounded steps, each byte once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.errors import LogNotWritten
from local_dsql.write_ahead_log.layout import (
    ALIGNMENT,
    HEAP,
    HEAP2,
    MANAGERS,
    MULTIXACT,
    PAGE_SIZE,
    RECORD_HEADER,
    RECORD_HEADER_SIZE,
    SMGR,
    XACT,
    XLOG,
    XLOG_INFORMATION_MASK,
    XLOG_SWITCH,
)
from local_dsql.write_ahead_log.lsn import format_lsn
from local_dsql.write_ahead_log.record import split
from local_dsql.write_ahead_log.row_records import RowRecords
from local_dsql.write_ahead_log.segments import Segments
from local_dsql.write_ahead_log.transaction_records import TransactionRecords
from local_dsql.write_ahead_log.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from local_dsql.write_ahead_log.operations import RowOperation
    from local_dsql.write_ahead_log.snapshot import Snapshot
    from local_dsql.write_ahead_log.transactions import CommittedTransaction

STEP = 64 * 1024
"""Bytes that `advance` reads at a time, and `advance_some` by default."""


class LogReader:
    """Reads the changes of rows in one database; one thread at a time may use it.

    Args:
        data_directory: PostgreSQL's data directory.
        start: position of a record (`pg_current_wal_insert_lsn()`). No transaction that is still open has written
            before it.
        database: OID of the database; rows of others are left out.
        timeline: timeline of the log, 1 in a cluster that was never restored from a backup.
        segment_size: bytes of a log file (`wal_segment_size`).
        next_xid: a transaction number near the next one (64 bits, xmax of `pg_current_snapshot()`), for the epoch.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        start: int,
        database: int,
        timeline: int,
        segment_size: int,
        next_xid: int,
    ) -> None:
        self._segments = Segments(data_directory / "pg_wal", timeline=timeline, size=segment_size)
        self._transactions = Transactions(next_xid)
        self._row_records = RowRecords(database, self._transactions)
        self._transaction_records = TransactionRecords(database, self._transactions)
        self._handlers: list[Callable[[int, int, int, bytes, int, int], None] | None] = [None] * MANAGERS
        for manager, handler in (
            (XACT, self._transaction_records.xact),
            (SMGR, self._transaction_records.smgr),
            (MULTIXACT, self._transaction_records.multixact),
            (HEAP, self._row_records.heap),
            (HEAP2, self._row_records.heap2),
        ):
            self._handlers[manager] = handler
        self._position = start
        self._previous: int | None = None
        """Position of the last record that was read; the next record must name it."""

    @property
    def position(self) -> int:
        """Position up to which the log has been read."""
        return self._position

    def close(self) -> None:
        """Close the open log file."""
        self._segments.close()

    def advance(self, end: int) -> None:
        """Read all records that are complete before a position that PostgreSQL has flushed.

        Raises:
            LogGap: a file that has not been read yet is gone.
            LogNotWritten: the log was not flushed so far.
        """
        while not self.advance_some(end, STEP):
            pass

    def advance_some(self, end: int, max_bytes: int = STEP) -> bool:
        """Read at most `max_bytes` of log, and the rest of the last record; return whether all up to `end` is read.

        64 KiB take 0.2 ms if the log is about other things, and 0.6 ms if it is full of changes of short rows.

        Raises:
            LogGap: a file that has not been read yet is gone.
            LogNotWritten: the log was not flushed up to there.
        """
        start = self._position
        if start >= end:
            return True
        base = start - start % PAGE_SIZE
        file_end = base - base % self._segments.size + self._segments.size
        stop = min(end, file_end, base + max(max_bytes, PAGE_SIZE))
        data = self._segments.pages(base, stop)
        complete = self._scan(base, data, end)
        return not complete or self._position >= end

    def skip(self, to: int) -> None:
        """Continue at a later position and forget every transaction, open or committed.

        Afterwards the reader must not be asked about transactions that have written before that position. There are
        none once all transactions have ended that had a number (pg_stat_activity.backend_xid) after the position was
        read. A snapshot is not enough: it does not name a running transaction that is newer than all that have ended.
        """
        if to <= self._position:
            return
        self._position, self._previous = to, None
        self._transactions.clear()

    def forget(self, before_lsn: int) -> None:
        """Drop transactions that committed before a position, because every snapshot in use was taken later.

        Do not call `committed` afterwards for a snapshot that is older than the position. Until they are dropped, 300
        bytes are kept for each small transaction, and 31 for each row operation.
        """
        self._transactions.forget(before_lsn)

    def full_xid(self, xid: int) -> int:
        """Return the 64-bit number of a live transaction's 32-bit one, such as `pg_locks` shows."""
        return self._transactions.widen(xid)

    def subtransactions(self, top_xid: int) -> frozenset[int]:
        """Return the subtransactions of an open top-level transaction, released ones included (64 bits all).

        It leaves out those that were rolled back, with all that was released into them, and those that have written no
        record. The result is complete under `wal_level=logical`; under `replica` the log names parents 64 at a time.
        """
        return self._transactions.subtransactions(top_xid)

    def record(self, lsn: int) -> bytes:
        """Return the record at a position.

        Raises:
            LogGap: its file is gone.
        """
        length, *_ = RECORD_HEADER.unpack_from(self._segments.payload(lsn, RECORD_HEADER_SIZE))
        return self._segments.payload(lsn, length)

    def operations(self, xids: Iterable[int]) -> list[RowOperation]:
        """Return the row operations of open transactions and subtransactions (64 bits), in the order of the log."""
        return self._transactions.operations(xids)

    def committed(self, snapshot: Snapshot) -> list[CommittedTransaction]:
        """Return the committed transactions with operations that a snapshot does not show, by number."""
        return self._transactions.committed(snapshot)

    def take_committed(self) -> list[CommittedTransaction]:
        """Return the committed transactions with operations, in the order of their COMMITs, and forget them."""
        return self._transactions.take_committed()

    def _scan(self, base: int, data: bytes, end: int) -> bool:
        """Read the records that begin in `data`, pages from position `base` on; return False if `end` cuts the last
        one."""
        handlers, known = self._handlers, self._transactions.open
        header, size = RECORD_HEADER.unpack_from, RECORD_HEADER_SIZE
        position, limit, previous = self._position - base, min(end - base, len(data)), self._previous
        while position < limit:
            if not position % PAGE_SIZE:
                position += self._segments.header_size(base + position)
            page_end = min(position - position % PAGE_SIZE + PAGE_SIZE, limit)
            while position + size <= page_end:
                length, xid, link, information, manager = header(data, position)
                after = position + length
                if after > page_end:
                    break
                if link != previous:
                    self._check_link(base + position, length, link)
                previous = self._previous = base + position
                handler = handlers[manager]
                if handler is not None:
                    handler(previous, xid, information, data, position, after)
                elif manager == XLOG and information & XLOG_INFORMATION_MASK == XLOG_SWITCH:
                    after = self._file_end(base + after) - base
                elif xid and xid not in known:
                    self._begin(previous, xid, information, data, position, after)
                position = (after + ALIGNMENT - 1) & -ALIGNMENT
            self._position = base + position
            if position < page_end:
                if not self._cross(base, data, end):
                    return False
                position, previous = self._position - base, self._previous
        return True

    def _cross(self, base: int, data: bytes, end: int) -> bool:
        """Read the record at the position, which crosses the end of its page; return False if `end` cuts it."""
        start = self._position
        if self._segments.after(start, RECORD_HEADER_SIZE) > end:
            return False
        head = self._gather(base, data, RECORD_HEADER_SIZE)
        length, xid, link, information, manager = RECORD_HEADER.unpack_from(head)
        if link != self._previous:
            self._check_link(start, length, link)
        after = self._segments.after(start, length)
        if after > end:
            return False
        handler = self._handlers[manager]
        if manager == XLOG and information & XLOG_INFORMATION_MASK == XLOG_SWITCH:
            after = self._file_end(after)
        elif handler is not None or (xid and xid not in self._transactions.open):
            record = self._gather(base, data, length)
            (handler or self._begin)(start, xid, information, record, 0, length)
        self._previous = start
        self._position = (after + ALIGNMENT - 1) & -ALIGNMENT
        return True

    def _gather(self, base: int, data: bytes, length: int) -> bytes:
        """Return `length` bytes of records from the position on; `data` has at least the page of the position."""
        position = self._position - base
        next_page = position - position % PAGE_SIZE + PAGE_SIZE
        room = next_page - position
        if length <= room:
            return data[position : position + length]
        rest = next_page + self._segments.header_size(base + next_page)
        if rest + length - room <= min(next_page + PAGE_SIZE, len(data)):
            return data[position:next_page] + data[rest : rest + length - room]
        return self._segments.payload(self._position, length)

    def _begin(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Record the transaction of a record without row operations: a subtransaction's first record names its
        parent."""
        self._transactions.begin(xid, split(data, start, end).toplevel)

    def _file_end(self, position: int) -> int:
        """Return the end of the file that has a position; the position itself if it begins a file."""
        return position + -position % self._segments.size

    def _check_link(self, lsn: int, length: int, link: int) -> None:
        """Refuse a record that does not follow the one before it; after a skip, one that cannot be a record."""
        if self._previous is None and length >= RECORD_HEADER_SIZE and link < lsn:
            return
        raise LogNotWritten(
            f"there is no record of the write-ahead log at {format_lsn(lsn)}",
            f"the bytes there name {format_lsn(link)} as the record before",
            "read no further than a position that PostgreSQL has flushed, from the beginning of a record on",
        )
