"""Splitting of rows into chunks within the limits of a DSQL transaction."""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

from ..limits import ROWS_PER_TRANSACTION
from .fragments import Sql, sql
from .row_values import RowValues, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .row_formats import RowFormat
    from .row_values import Values

ROWS = ROWS_PER_TRANSACTION
"""Rows of a chunk."""

PORTION = 100
"""Rows that are encoded at once; also the most that is read ahead of a chunk."""

BYTES = 4 * 1024 * 1024
"""Bytes of a chunk as sent. `BYTES_PER_TRANSACTION` also counts row overhead and index entries."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """Progress of a load, or its result."""

    rows: int = 0
    """Rows of committed chunks."""
    inserted: int = 0
    """Rows of them that did not exist before, according to the replies that arrived."""
    chunks: int = 0
    bytes: int = 0
    """Bytes as sent."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.rows} rows ({self.inserted} of them new) in {self.chunks} chunks"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Target of a load: table, columns, and the key that identifies existing rows."""

    table: Sql
    columns: tuple[str, ...] | None
    """Column names; None: those of the first row."""
    key: tuple[str, ...] | None

    @classmethod
    def of(cls, table: str | Sql, columns: Iterable[str] | None, key: str | Iterable[str] | None) -> Plan:
        """Return the plan for the arguments of `load`."""
        return cls(
            table if isinstance(table, Sql) else sql.identifier(table),
            None if columns is None else tuple(columns),
            None if key is None else (key,) if isinstance(key, str) else tuple(key),
        )

    def columns_for(self, first: object) -> tuple[str, ...]:
        """Return the columns, given the first row.

        Raises:
            TypeError: the row is a plain sequence, and no column names were given.
        """
        return self.columns or columns_of(first)


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one transaction, and their encoding."""

    format: RowFormat
    rows: list[Values]
    body: str
    """The rows, encoded in the format."""

    @property
    def bytes(self) -> int:
        """Size of the rows as sent."""
        return _size(self.body)

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return two chunks with half of the rows each."""
        middle = len(self.rows) // 2
        return write(self.format, self.rows[:middle]), write(self.format, self.rows[middle:])


def write(format: RowFormat, rows: list[Values]) -> Chunk:
    """Return rows as one chunk of any size."""
    return Chunk(format, rows, format.encode(rows))


class Cutter:
    """Splits rows into chunks of at most `ROWS` rows and `BYTES` bytes, except for a single larger row.

    Args:
        columns: names of the values of a row, in the order of the format.
        format: encoding of the rows.
    """

    def __init__(self, columns: tuple[str, ...], format: RowFormat) -> None:
        self._values = RowValues(columns)
        self._format = format
        self._rows: list[Values] = []
        self._texts: list[str] = []
        self._size = 0

    def add(self, rows: Sequence[object]) -> Iterator[Chunk]:
        """Add rows, about `PORTION`, and yield the chunks that are full.

        Raises:
            TypeError: a row has no columns.
            ValueError: a row has other columns than the first.
            psycopg.ProgrammingError: a value is of a type that psycopg cannot adapt.
        """
        values = self._values.of(rows)
        text = self._format.encode(values)
        if len(text) < BYTES // 10:
            yield from self._add(values, text)
        else:
            for each in values:
                yield from self._add([each], self._format.encode([each]))

    def rest(self) -> Iterator[Chunk]:
        """Yield the last chunk, which is not full."""
        if self._rows:
            yield self._cut()

    def change(self, format: RowFormat) -> None:
        """Change the format, also of rows that were added before."""
        self._format = format
        self._texts = [format.encode(self._rows)] if self._rows else []
        self._size = sum(map(_size, self._texts))

    def _add(self, rows: Sequence[Values], text: str) -> Iterator[Chunk]:
        size = _size(text) + len(self._format.separator)
        if self._rows and (len(self._rows) + len(rows) > ROWS or self._size + size > BYTES):
            yield self._cut()
        self._rows += rows
        self._texts.append(text)
        self._size += size

    def _cut(self) -> Chunk:
        chunk = Chunk(self._format, self._rows, self._format.separator.join(self._texts))
        self._rows, self._texts, self._size = [], [], 0
        return chunk


def all_at_once(plan: Plan, rows: Iterable[object]) -> tuple[tuple[str, ...], list[Values]]:
    """Return the columns and the values of all rows, for one transaction.

    Raises:
        TypeError: the columns of a row are not known.
        ValueError: there are too many rows for one transaction, or a row has other columns than the first.
    """
    source = iter(rows)
    given = list(itertools.islice(source, ROWS + 1))
    if len(given) > ROWS:
        raise ValueError(
            f"more than the {ROWS} rows that one transaction holds; use load(), which cuts them into transactions"
        )
    if not given:
        return (), []
    columns = plan.columns_for(given[0])
    return columns, RowValues(columns).of(given)


class Meter:
    """Totals of one load."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.loaded = Loaded()

    def add(self, chunk: Chunk, inserted: int) -> Loaded:
        """Add a chunk and return the totals."""
        so_far = self.loaded
        self.loaded = Loaded(
            so_far.rows + len(chunk.rows),
            so_far.inserted + inserted,
            so_far.chunks + 1,
            so_far.bytes + chunk.bytes,
            time.monotonic() - self._started,
        )
        return self.loaded


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
