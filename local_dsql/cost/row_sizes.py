"""Sizes of rows in records of the write-ahead log: what PostgreSQL logs of a row, without its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.layout import (
    BLOCK_HEADER,
    HEAP2,
    HEAP_HOT_UPDATE,
    INFORMATION_MASK,
    RECORD_HEADER,
    RECORD_HEADER_SIZE,
)
from local_dsql.write_ahead_log.operations import OperationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local_dsql.write_ahead_log.operations import RowOperation
    from local_dsql.write_ahead_log.reader import LogReader

_ROW_HEADER = 5
_ROW_HEADER_OF_MANY = 7
"""Bytes before each row's data in the records INSERT and UPDATE, and MULTI_INSERT."""


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """One row that was inserted, updated or deleted; a deleted one has the size 0."""

    file: int
    size: int
    inserted: bool
    changes_indexes: bool


def written_rows(reader: LogReader, operations: Iterable[RowOperation]) -> Iterator[WrittenRow]:
    """Yield the rows that operations have written; locks are none. Rows of one record share its size."""
    by_record: dict[int, list[RowOperation]] = {}
    for each in operations:
        if each.kind in (OperationKind.INSERT, OperationKind.UPDATE):
            by_record.setdefault(each.lsn, []).append(each)
        elif each.kind is OperationKind.DELETE:
            yield WrittenRow(each.file, 0, False, True)
    for lsn, rows in by_record.items():
        size, in_place = _size(reader.record(lsn), len(rows))
        for each in rows:
            yield WrittenRow(each.file, size, each.kind is OperationKind.INSERT, not in_place)


def _size(record: bytes, rows: int) -> tuple[int, bool]:
    """Return the bytes of each of the rows of a record, and whether it is an update that changes no index."""
    _, _, _, information, manager = RECORD_HEADER.unpack_from(record)
    _, _, length = BLOCK_HEADER.unpack_from(record, RECORD_HEADER_SIZE)
    if manager == HEAP2:
        return max(0, length // rows - _ROW_HEADER_OF_MANY), False
    return max(0, length - _ROW_HEADER), information & INFORMATION_MASK == HEAP_HOT_UPDATE
