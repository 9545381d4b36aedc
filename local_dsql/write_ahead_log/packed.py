"""Row operations packed into 31 bytes each, and decoded when they are used.

Nearly all operations belong to transactions that are never asked for. As objects each would take 300 bytes, and the
garbage collector would stop the process for 100 ms at times to visit them.
"""

from __future__ import annotations

from itertools import starmap
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, Final

from local_dsql.write_ahead_log.operations import LockStrength, OperationKind, Place, RowOperation

if TYPE_CHECKING:
    from collections.abc import Iterable

INSERT: Final = 0
DELETE: Final = 1
UPDATE: Final = 2
LOCK: Final = 3
LOCK_UPDATED: Final = 4
_KINDS = (
    OperationKind.INSERT,
    OperationKind.DELETE,
    OperationKind.UPDATE,
    OperationKind.LOCK,
    OperationKind.LOCK_UPDATED,
)
NO_LOCK: Final = 0

_LAYOUT = Struct("<QIIIIHHBBB")
pack = _LAYOUT.pack
"""Return the bytes of an operation: position in the log, file, old block, new block, MultiXact, old offset, new offset,
kind, strength, whether an UPDATE left the keys unchanged."""


def unpack(parts: Iterable[bytes | bytearray]) -> list[RowOperation]:
    """Return the operations of several transactions in the order of the log."""
    operations: list[RowOperation] = []
    for part in parts:
        operations += starmap(_operation, _LAYOUT.iter_unpack(part))
    operations.sort(key=attrgetter("lsn"))
    return operations


def without_blocks(operations: bytearray, file: int, block: int) -> bytearray:
    """Return the operations without those on a file's rows from a block on."""
    kept = bytearray()
    for fields in _LAYOUT.iter_unpack(operations):
        _, of, old_block, new_block, _, _, _, kind, _, _ = fields
        if of != file or (new_block if kind == INSERT else old_block) < block:
            kept += pack(*fields)
    return kept


def _operation(
    lsn: int,
    file: int,
    old_block: int,
    new_block: int,
    multixact: int,
    old_offset: int,
    new_offset: int,
    kind: int,
    strength: int,
    keys_unchanged: int,
) -> RowOperation:
    return RowOperation(
        _KINDS[kind],
        file,
        None if kind == INSERT else Place(old_block, old_offset),
        Place(new_block, new_offset) if kind in (INSERT, UPDATE) else None,
        LockStrength(strength) if strength else None,
        multixact,
        lsn,
        bool(keys_unchanged),
    )
