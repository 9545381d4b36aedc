"""Rows on their way into a table, measured and cut into chunks that DSQL takes."""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

from .fragments import Sql, sql
from .row_values import RowValues, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .row_formats import RowFormat
    from .row_values import Values

ROWS = 3_000
"""Rows a transaction may change. AWS user guide, "quotas"."""

PORTION = 100
"""Rows that are written in one go; also the most that is read ahead of what a chunk takes."""

BYTES = 4 * 1024 * 1024
"""Bytes sent in a chunk. A transaction may change 10 MiB, and the rows' overhead and index entries count too."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """How far a load is, or how far it came."""

    rows: int = 0
    """Rows whose chunks are committed."""
    inserted: int = 0
    """Those of them that were not there before, as far as the server's answers arrived."""
    chunks: int = 0
    bytes: int = 0
    """As sent."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.rows} rows ({self.inserted} of them new) in {self.chunks} chunks"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Into which columns of which table, and what counts as being there already."""

    table: Sql
    columns: tuple[str, ...] | None
    """None: those of the first row."""
    key: tuple[str, ...] | None

    @classmethod
    def of(cls, table: str | Sql, columns: Iterable[str] | None, key: str | Iterable[str] | None) -> Plan:
        """Return the plan for what a caller gave."""
        return cls(
            table if isinstance(table, Sql) else sql.identifier(table),
            None if columns is None else tuple(columns),
            None if key is None else (key,) if isinstance(key, str) else tuple(key),
        )

    def columns_for(self, first: object) -> tuple[str, ...]:
        """Return the columns, given the first row.

        Raises:
            TypeError: the row is a plain sequence, and nobody said what its values are.
        """
        return self.columns or columns_of(first)


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, and what is sent of them."""

    format: RowFormat
    rows: list[Values]
    body: str
    """The rows, written in the format."""

    @property
    def bytes(self) -> int:
        """How much the rows are, as sent."""
        return _size(self.body)

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return two chunks with half of the rows each."""
        middle = len(self.rows) // 2
        return write(self.format, self.rows[:middle]), write(self.format, self.rows[middle:])


def write(format: RowFormat, rows: list[Values]) -> Chunk:
    """Return rows as a chunk, however large."""
    return Chunk(format, rows, format.encode(rows))


class Cutter:
    """Cuts rows into chunks of at most `ROWS` rows and, a single larger row aside, `BYTES` bytes.

    Args:
        columns: whose values each row gives, in the order in which the format writes them.
        format: how they are written.
    """

    def __init__(self, columns: tuple[str, ...], format: RowFormat) -> None:
        self._values = RowValues(columns)
        self._format = format
        self._rows: list[Values] = []
        self._texts: list[str] = []
        self._size = 0

    def add(self, rows: Sequence[object]) -> Iterator[Chunk]:
        """Take in some rows, about `PORTION`, and yield the chunks that are full.

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
        """Yield what has been taken in and not yet filled a chunk."""
        if self._rows:
            yield self._cut()

    def change(self, format: RowFormat) -> None:
        """Write from here on in another format, also what has been taken in."""
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
    """Return the columns, and the values of all rows, for one transaction.

    Raises:
        TypeError: the columns of a row are not known.
        ValueError: they are too many for one transaction, or a row has other columns than the first.
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
    """Adds up what has been loaded since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.loaded = Loaded()

    def add(self, chunk: Chunk, inserted: int) -> Loaded:
        """Return how far it is with one more chunk."""
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
