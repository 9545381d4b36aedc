"""Records of a source, and chunks of them: the rows of one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from blocks_runtime.limits import BYTES_PER_TRANSACTION, ROWS_PER_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blocks_cli.bulk.ranges import Ranges

ROWS = ROWS_PER_TRANSACTION - 1
"""Rows of a chunk. One more row of the transaction marks the chunk of a table without a key, and one more for each
range after a record that is no row."""

BYTES = 4 * 1024 * 1024
"""Bytes of a chunk as sent. `BYTES_PER_TRANSACTION` also counts row overhead and index entries."""

LONGEST = BYTES_PER_TRANSACTION - 64 * 1024
"""Bytes of a single record that one transaction may hold."""

KEPT = 2_000
"""Bytes that are kept of a record that is too long."""


class Record(NamedTuple):
    """One record of a source as bytes, without its line end."""

    raw: bytes
    line: int
    """Line that it begins in, from 1; for Parquet the row."""
    end: int
    """Position after it, from which `Source.records` continues."""
    after: int
    """Line after it."""
    fault: str = ""
    """Reason why it is no row, found while it was read."""


@dataclass(slots=True)
class Chunk:
    """Records of one transaction. `first` and `last` count all records of the file from 0, faulty ones included."""

    file: int
    first: int
    begin: int
    """Position before the first record."""
    rows: int = ROWS
    """Records that it holds, at most."""
    records: list[tuple[int, Record]] = field(default_factory=list)
    """Records with their numbers."""
    faulty: list[Record] = field(default_factory=list)
    last: int = -1
    after: int = 0
    end: int = 0
    size: int = 0

    def is_full(self, number: int, record: Record) -> bool:
        """Return whether a record does not fit any more."""
        return number - self.first >= self.rows or self.size + len(record.raw) > BYTES

    def add(self, number: int, record: Record) -> None:
        """Add the next record."""
        if record.fault:
            self.faulty.append(record)
        else:
            self.records.append((number, record))
            self.size += len(record.raw) + 1
        self.last, self.after, self.end = number, record.after, record.end


def cut(
    file: int, records: Iterator[Record], start: int, begin: int, done: Ranges, rows: int = ROWS
) -> Iterator[Chunk]:
    """Yield chunks of at most `rows` records and `BYTES` bytes, without the records that are `done`.

    Args:
        file: number of the file.
        records: records from the number `start` on.
        start: number of the first record.
        begin: position before it.
        done: numbers of records of this file that are loaded already.
        rows: records of a chunk.
    """
    chunk: Chunk | None = None
    for number, record in enumerate(records, start):
        known = number in done
        if chunk is not None and (known or chunk.is_full(number, record)):
            yield chunk
            chunk = None
        if not known:
            chunk = chunk or Chunk(file, number, begin, rows)
            chunk.add(number, record)
        begin = record.end
    if chunk is not None:
        yield chunk


def halves(records: Sequence[tuple[int, Record]]) -> tuple[Sequence[tuple[int, Record]], ...]:
    """Return both halves of two or more records."""
    middle = len(records) // 2
    return records[:middle], records[middle:]
