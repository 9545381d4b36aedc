"""Records of row changes: each becomes row operations of its transaction.

INSERT, MULTI_INSERT (COPY), DELETE, UPDATE, HOT_UPDATE, LOCK and LOCK_UPDATED are read. The other records of rows are
skipped:

- CONFIRM completes a speculative insertion (ON CONFLICT). A DELETE removes one that is not completed.
- INPLACE changes a catalog outside of transactions.
- TRUNCATE is for logical decoding: the table has a new file.
- PRUNE, VACUUM, FREEZE_PAGE and VISIBLE touch no version that a snapshot or an open transaction needs.
- REWRITE and NEW_CID are for logical decoding of catalogs.
"""

from __future__ import annotations

from functools import partial
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
from local_dsql.write_ahead_log.operations import LockStrength
from local_dsql.write_ahead_log.packed import DELETE, INSERT, LOCK, LOCK_UPDATED, NO_LOCK, UPDATE, pack
from local_dsql.write_ahead_log.record import split

if TYPE_CHECKING:
    from local_dsql.write_ahead_log.transactions import Transactions

_PLAIN = Struct(f"<{RECORD_HEADER_SIZE}xBBHIIIIBB")
"""A record whose first block has no image, and the two bytes after that block's header."""
_SECOND = Struct(f"<{_PLAIN.size - 2}xBBHIBB")
"""The same for a record whose second block lies in the same file."""
_UPDATES = (HEAP_HOT_UPDATE, HEAP_UPDATE)
_UPDATE, _NO_KEY_UPDATE = int(LockStrength.UPDATE), int(LockStrength.NO_KEY_UPDATE)
_IMAGE_OR_SAME_FILE = BLOCK_HAS_IMAGE | BLOCK_SAME_FILE


class _Where(NamedTuple):
    """The place of the rows of a record, and the position of its main data."""

    database: int
    file: int
    block: int
    old_block: int
    main: int
    toplevel: int


_where = partial(tuple.__new__, _Where)
"""Make a `_Where` without naming its fields, four times faster."""


class RowRecords:
    """Converts the records of one database's rows into operations of `transactions`."""

    def __init__(self, database: int, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions
        self._open = transactions.open

    def heap(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Convert a record of the resource manager HEAP, between two offsets in `data`."""
        if not xid:
            return
        database, file, block, old_block, main, toplevel = _locate(data, start, end)
        transaction = self._open.get(xid) or self._transactions.begin(xid, toplevel)
        if database != self._database:
            return
        change, operations = information & INFORMATION_MASK, transaction.operations
        if change == HEAP_INSERT:
            (offset,) = INSERTION.unpack_from(data, main)
            operations += pack(lsn, file, 0, block, 0, 0, offset, INSERT, NO_LOCK, False)
        elif change in _UPDATES:
            xmax, offset, infobits, _, _, new_offset = REPLACEMENT.unpack_from(data, main)
            strength, kept = _NO_KEY_UPDATE, True
            if infobits & KEYS_UPDATED:
                strength, kept = _UPDATE, change == HEAP_HOT_UPDATE or self._keeps_keys(xmax, xid, infobits)
            operations += pack(lsn, file, old_block, block, 0, offset, new_offset, UPDATE, strength, kept)
        elif change == HEAP_DELETE:
            _, offset, _ = DELETION.unpack_from(data, main)
            operations += pack(lsn, file, block, 0, 0, offset, 0, DELETE, _UPDATE, False)
        elif change == HEAP_LOCK:
            operations += self._lock(LOCK, lsn, xid, file, block, data, main)

    def heap2(self, lsn: int, xid: int, information: int, data: bytes, start: int, end: int) -> None:
        """Convert a record of the resource manager HEAP2, between two offsets in `data`."""
        change = information & INFORMATION_MASK
        if not xid:
            return
        where = _locate(data, start, end)
        transaction = self._open.get(xid) or self._transactions.begin(xid, where.toplevel)
        if where.database != self._database:
            return
        file, block, operations = where.file, where.block, transaction.operations
        if change == HEAP2_MULTI_INSERT:
            for offset in _offsets(information, data, where.main):
                operations += pack(lsn, file, 0, block, 0, 0, offset, INSERT, NO_LOCK, False)
        elif change == HEAP2_LOCK_UPDATED:
            operations += self._lock(LOCK_UPDATED, lsn, xid, file, block, data, where.main)

    def _keeps_keys(self, xmax: int, xid: int, infobits: int) -> bool:
        """Return whether an update is known to keep the keys, although its row has a lock as strong as FOR UPDATE.

        An earlier subtransaction has taken that lock then, and the update shares the row with it.
        """
        own = self._transactions.strength(xmax, xid) if infobits & XMAX_IS_MULTI else None
        return own is LockStrength.NO_KEY_UPDATE

    def _lock(self, kind: int, lsn: int, xid: int, file: int, block: int, data: bytes, main: int) -> bytes:
        """Return a lock, with the transaction's own strength if it shares the row lock with others."""
        xmax, offset, infobits = DELETION.unpack_from(data, main)
        strength, multixact = _lock_strength(infobits), 0
        if infobits & XMAX_IS_MULTI:
            own = self._transactions.strength(xmax, xid)
            strength, multixact = (strength, xmax) if own is None else (own, 0)
        return pack(lsn, file, block, 0, multixact, offset, 0, kind, strength, False)


def _locate(data: bytes, start: int, end: int) -> _Where:
    block_id, flags, _, _, database, file, block, following, byte = _PLAIN.unpack_from(data, start)
    if block_id == 0 and not flags & _IMAGE_OR_SAME_FILE:
        if following == DATA_SHORT:
            return _where((database, file, block, block, end - byte, 0))
        if following == 1 and byte & _IMAGE_OR_SAME_FILE == BLOCK_SAME_FILE:
            _, _, _, old_block, following, byte = _SECOND.unpack_from(data, start)
            if following == DATA_SHORT:
                return _where((database, file, block, old_block, end - byte, 0))
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
