"""Records of transactions (COMMIT, ROLLBACK, subtransactions), of MultiXacts, and of files that are cut."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.layout import (
    DATA_SHORT,
    DBINFO_SIZE,
    DROPPED_STATS_SIZE,
    HAS_DBINFO,
    HAS_DROPPED_STATS,
    HAS_INVALS,
    HAS_RELFILELOCATORS,
    HAS_SUBXACTS,
    HAS_TWOPHASE,
    INFORMATION_MASK,
    INVAL_SIZE,
    MULTIXACT_CREATE_ID,
    MULTIXACT_CREATION,
    MULTIXACT_MEMBER,
    RECORD_HEADER_SIZE,
    RELFILELOCATOR_SIZE,
    SMGR_TRUNCATE,
    SMGR_TRUNCATES_HEAP,
    SMGR_TRUNCATION,
    U32,
    XACT_ABORT,
    XACT_ABORT_PREPARED,
    XACT_ASSIGNMENT,
    XACT_COMMIT,
    XACT_COMMIT_PREPARED,
    XACT_HAS_INFO,
    XACT_TIME_SIZE,
)
from local_dsql.write_ahead_log.record import split

if TYPE_CHECKING:
    from local_dsql.write_ahead_log.transactions import Transactions

_SIZES = (
    (HAS_RELFILELOCATORS, RELFILELOCATOR_SIZE),
    (HAS_DROPPED_STATS, DROPPED_STATS_SIZE),
    (HAS_INVALS, INVAL_SIZE),
)
"""Parts of the record of a COMMIT or ROLLBACK that are a count and as many entries, in order, with an entry's size."""


class TransactionRecords:
    """Reads the records of the end of transactions, of their subtransactions and MultiXacts, and of files that are
    cut."""

    def __init__(self, database: int, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions

    def xact(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Read a record of the resource manager XACT, between two offsets in `data`."""
        first = start + RECORD_HEADER_SIZE
        main = first + 2 if data[first] == DATA_SHORT else split(data, start, end).main
        kind = information & INFORMATION_MASK
        if kind == XACT_ASSIGNMENT:
            (top,) = U32.unpack_from(data, main)
            for sub in _numbers(data, main + U32.size)[0]:
                self._transactions.begin(sub, top)
            return
        if kind not in (XACT_COMMIT, XACT_COMMIT_PREPARED, XACT_ABORT, XACT_ABORT_PREPARED):
            return
        subtransactions, prepared = _end(data, main, information)
        if kind in (XACT_COMMIT, XACT_COMMIT_PREPARED):
            self._transactions.commit(prepared or xid, subtransactions, lsn)
        else:
            self._transactions.abort(prepared or xid, subtransactions)

    def multixact(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Read a record of the resource manager MULTIXACT, between two offsets in `data`."""
        headers = split(data, start, end)
        if xid:
            self._transactions.begin(xid, headers.toplevel)
        if information & INFORMATION_MASK == MULTIXACT_CREATE_ID:
            number, _, count = MULTIXACT_CREATION.unpack_from(data, headers.main)
            first = headers.main + MULTIXACT_CREATION.size
            members = data[first : first + count * MULTIXACT_MEMBER.size]
            self._transactions.create_multixact(number, list(MULTIXACT_MEMBER.iter_unpack(members)), lsn)

    def smgr(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Read a record of the resource manager SMGR, between two offsets in `data`: VACUUM or TRUNCATE cuts a file."""
        headers = split(data, start, end)
        if xid:
            self._transactions.begin(xid, headers.toplevel)
        if information & INFORMATION_MASK == SMGR_TRUNCATE:
            block, _, database, file, flags = SMGR_TRUNCATION.unpack_from(data, headers.main)
            if database == self._database and flags & SMGR_TRUNCATES_HEAP:
                self._transactions.truncate(file, block)


def _end(data: bytes, main: int, information: int) -> tuple[tuple[int, ...], int]:
    """Return the subtransactions that end with a transaction, and the number of a prepared transaction (or 0)."""
    if not information & XACT_HAS_INFO:
        return (), 0
    (parts,) = U32.unpack_from(data, main + XACT_TIME_SIZE)
    position = main + XACT_TIME_SIZE + U32.size
    subtransactions: tuple[int, ...] = ()
    if parts & HAS_DBINFO:
        position += DBINFO_SIZE
    if parts & HAS_SUBXACTS:
        subtransactions, position = _numbers(data, position)
    if not parts & HAS_TWOPHASE:
        return subtransactions, 0
    for part, size in _SIZES:
        if parts & part:
            position += U32.size + size * U32.unpack_from(data, position)[0]
    return subtransactions, U32.unpack_from(data, position)[0]


def _numbers(data: bytes, position: int) -> tuple[tuple[int, ...], int]:
    """Return a counted list of transactions, and the position after it."""
    (count,) = U32.unpack_from(data, position)
    numbers = Struct(f"<{count}I")
    return numbers.unpack_from(data, position + U32.size), position + U32.size + numbers.size
