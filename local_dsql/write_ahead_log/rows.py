"""Records of rows: each becomes the row operations of its transaction.

Read are INSERT, MULTI_INSERT (COPY), DELETE, UPDATE, HOT_UPDATE, LOCK and LOCK_UPDATED. Of the other records of rows,
CONFIRM ends a speculative insertion (ON CONFLICT) that has held; one that has not is deleted by a DELETE. INPLACE
changes a catalog outside of transactions. TRUNCATE is for logical decoding: the table's file has changed. PRUNE,
VACUUM, FREEZE_PAGE and VISIBLE touch no version that a snapshot or an open transaction needs; REWRITE and NEW_CID are
for logical decoding of catalogs.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.write_ahead_log.layout import (
    BLOCK_HAS_IMAGE,
    BLOCK_SAME_FILE,
    DATA_SHORT,
    DELETION,
    HEAP2_LOCK_UPDATED,
    HEAP2_MULTI_INSERT,
    HEAP_DELETE,
    HEAP_HOT_UPDATE,
    HEAP_INSERT,
    HEAP_LOCK,
    HEAP_UPDATE,
    INFORMATION_MASK,
    INITIALISES_PAGE,
    INSERTION,
    KEYS_UPDATED,
    MULTI_INSERTION,
    RECORD_HEADER_SIZE,
    REPLACEMENT,
    XMAX_EXCL_LOCK,
    XMAX_IS_MULTI,
    XMAX_KEYSHR_LOCK,
)
from local_dsql.write_ahead_log.operations import LockStrength, OperationKind, Place, RowOperation
from local_dsql.write_ahead_log.record import split

if TYPE_CHECKING:
    from local_dsql.write_ahead_log.transactions import Transactions

_PLAIN = Struct(f"<{RECORD_HEADER_SIZE}xBBHIIIIBB")
"""A record whose first block has no image, and the two bytes after that block's header."""
_SECOND = Struct(f"<{_PLAIN.size - 2}xBBHIBB")
"""The same for a record whose second block lies in the same file."""
_UPDATES = (HEAP_HOT_UPDATE, HEAP_UPDATE)
_IMAGE_OR_SAME_FILE = BLOCK_HAS_IMAGE | BLOCK_SAME_FILE

# The members are looked up once: each look-up costs a tenth of what a row costs.
_INSERT, _DELETE, _UPDATE = OperationKind.INSERT, OperationKind.DELETE, OperationKind.UPDATE
_EXCLUSIVE, _NO_KEY = LockStrength.UPDATE, LockStrength.NO_KEY_UPDATE
_make = tuple.__new__
"""Make a named tuple without naming its fields, four times quicker."""


class _Where(NamedTuple):
    """Where the rows of a record lie, and where its main data begins."""

    database: int
    file: int
    block: int
    old_block: int
    main: int
    toplevel: int


class RowRecords:
    """Turn the records of one database's rows into operations of `transactions`."""

    def __init__(self, database: int, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions
        self._open = transactions.open

    def heap(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Take a record of the resource manager HEAP, which lies between two offsets in `data`."""
        if not xid:
            return
        database, file, block, old_block, main, toplevel = _locate(data, start, end)
        transaction = self._open.get(xid) or self._transactions.begin(xid, toplevel)
        if database != self._database:
            return
        change = information & INFORMATION_MASK
        if change == HEAP_INSERT:
            (offset,) = INSERTION.unpack_from(data, main)
            made = _make(
                RowOperation, (_INSERT, file, None, _make(Place, (block, offset)), None, 0, lsn, False)
            )
        elif change in _UPDATES:
            _, offset, infobits, _, _, new_offset = REPLACEMENT.unpack_from(data, main)
            old, new = _make(Place, (old_block, offset)), _make(Place, (block, new_offset))
            moved = infobits & KEYS_UPDATED
            strength, kept = (_EXCLUSIVE, change == HEAP_HOT_UPDATE) if moved else (_NO_KEY, True)
            made = _make(RowOperation, (_UPDATE, file, old, new, strength, 0, lsn, kept))
        elif change == HEAP_DELETE:
            _, offset, _ = DELETION.unpack_from(data, main)
            old = _make(Place, (block, offset))
            made = _make(RowOperation, (_DELETE, file, old, None, _EXCLUSIVE, 0, lsn, False))
        elif change == HEAP_LOCK:
            made = self._lock(OperationKind.LOCK, lsn, xid, file, block, data, main)
        else:
            return
        transaction.operations.append(made)

    def heap2(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Take a record of the resource manager HEAP2, which lies between two offsets in `data`."""
        change = information & INFORMATION_MASK
        if not xid:
            return
        where = _locate(data, start, end)
        transaction = self._open.get(xid) or self._transactions.begin(xid, where.toplevel)
        if where.database != self._database:
            return
        if change == HEAP2_MULTI_INSERT:
            transaction.operations += [
                _make(
                    RowOperation,
                    (_INSERT, where.file, None, _make(Place, (where.block, offset)), None, 0, lsn, False),
                )
                for offset in _offsets(information, data, where.main)
            ]
        elif change == HEAP2_LOCK_UPDATED:
            kind = OperationKind.LOCK_UPDATED
            transaction.operations.append(
                self._lock(kind, lsn, xid, where.file, where.block, data, where.main)
            )

    def _lock(
        self, kind: OperationKind, lsn: int, xid: int, file: int, block: int, data: bytes, main: int
    ) -> RowOperation:
        """Return a lock, with the transaction's own strength where it shares the row with others."""
        xmax, offset, infobits = DELETION.unpack_from(data, main)
        strength, multixact = _lock_strength(infobits), 0
        if infobits & XMAX_IS_MULTI:
            own = self._transactions.strength(xmax, xid)
            strength, multixact = (strength, xmax) if own is None else (own, 0)
        return RowOperation(kind, file, Place(block, offset), None, strength, multixact, lsn)


def _locate(data: bytes, start: int, end: int) -> _Where:
    block_id, flags, _, _, database, file, block, following, byte = _PLAIN.unpack_from(data, start)
    if block_id == 0 and not flags & _IMAGE_OR_SAME_FILE:
        if following == DATA_SHORT:
            return _make(_Where, (database, file, block, block, end - byte, 0))
        if following == 1 and byte & _IMAGE_OR_SAME_FILE == BLOCK_SAME_FILE:
            _, _, _, old_block, following, byte = _SECOND.unpack_from(data, start)
            if following == DATA_SHORT:
                return _make(_Where, (database, file, block, old_block, end - byte, 0))
    headers = split(data, start, end)
    block = headers.blocks.get(0, 0)
    return _Where(
        headers.database, headers.file, block, headers.blocks.get(1, block), headers.main, headers.toplevel
    )


def _offsets(information: int, data: bytes, main: int) -> range | tuple[int, ...]:
    (count,) = MULTI_INSERTION.unpack_from(data, main)
    if information & INITIALISES_PAGE:
        return range(1, count + 1)
    return Struct(f"<{count}H").unpack_from(data, main + MULTI_INSERTION.size)


def _lock_strength(infobits: int) -> LockStrength:
    if infobits & KEYS_UPDATED:
        return LockStrength.UPDATE
    if infobits & XMAX_KEYSHR_LOCK:
        return LockStrength.SHARE if infobits & XMAX_EXCL_LOCK else LockStrength.KEY_SHARE
    return LockStrength.NO_KEY_UPDATE
