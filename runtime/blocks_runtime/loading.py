"""Rows on their way into a table: named, encoded, measured, and cut into chunks that DSQL takes.

A chunk is one statement with one parameter, a JSON array that the server turns into rows of the table's own type.
That is as fast as COPY and several times as fast as VALUES, needs no look-up of column types, and unlike COPY it
can leave alone what is there already.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Json, Jsonb

from .fragments import Sql, sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROWS = 3_000
"""Rows a transaction may change. AWS user guide, "quotas"."""

PORTION = 100
"""Rows that are encoded in one go; also the most that is read ahead of what a chunk takes."""

BYTES = 4 * 1024 * 1024
"""Bytes of JSON in a chunk. A transaction may change 10 MiB, and the rows' overhead and index entries count too."""


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
    key: tuple[str, ...] | None

    @classmethod
    def of(cls, table: str | Sql, columns: Iterable[str] | None, key: str | Iterable[str] | None) -> Plan:
        """Return the plan for what a caller gave."""
        return cls(
            table if isinstance(table, Sql) else sql.identifier(table),
            None if columns is None else tuple(columns),
            None if key is None else (key,) if isinstance(key, str) else tuple(key),
        )

    def statement(self, columns: tuple[str, ...]) -> str:
        """Return the text of the INSERT, with `$1` for the rows."""
        table, names = self.table.text, _names(columns)
        unless = f" ON CONFLICT ({_names(self.key)}) DO NOTHING" if self.key else ""
        rows = f"json_populate_recordset(NULL::{table}, $1)"
        return f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows}{unless}"  # noqa: S608 (all quoted)


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, and what is sent of them."""

    text: str
    rows: list[Mapping[str, object]]
    array: str
    """The rows as JSON, without the brackets."""
    encode: Encoder

    @property
    def bytes(self) -> int:
        """How much the rows are, as sent."""
        return _size(self.array)

    def statement(self) -> Sql:
        """Return the INSERT."""
        before, _, after = self.text.partition("$1")
        return Sql((before, after), (f"[{self.array}]",), self.text)

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return two chunks with half of the rows each."""
        middle = len(self.rows) // 2
        return self._of(self.rows[:middle]), self._of(self.rows[middle:])

    def _of(self, rows: list[Mapping[str, object]]) -> Chunk:
        return Chunk(self.text, rows, self.encode(rows), self.encode)


def chunks(plan: Plan, rows: Iterable[object]) -> Iterator[Chunk]:
    """Yield the rows in chunks of at most `ROWS` rows and, a single larger row aside, `BYTES` bytes.

    Raises:
        TypeError: the columns of a row are not known, or a value is of a type that psycopg cannot adapt.
        ValueError: a row has other columns than the first.
    """
    source = iter(rows)
    for first in source:
        columns = plan.columns or _columns_of(first)
        text, encode, names = plan.statement(columns), Encoder(), Names(columns)
        named = map(names, itertools.chain((first,), source))
        batch: list[Mapping[str, object]] = []
        parts: list[str] = []
        size = 0
        for portion, part in _portions(named, encode):
            length = _size(part) + 1
            if batch and (len(batch) + len(portion) > ROWS or size + length > BYTES):
                yield Chunk(text, batch, ",".join(parts), encode)
                batch, parts, size = [], [], 0
            batch += portion
            parts.append(part)
            size += length
        yield Chunk(text, batch, ",".join(parts), encode)


def _portions(
    rows: Iterator[Mapping[str, object]], encode: Encoder
) -> Iterator[tuple[list[Mapping[str, object]], str]]:
    """Yield rows with their JSON, a hundred at a time, or one where a hundred are a large part of a chunk."""
    while portion := list(itertools.islice(rows, PORTION)):
        part = encode(portion)
        if len(part) < BYTES // 10:
            yield portion, part
        else:
            for row in portion:
                yield [row], encode([row])


def one_chunk(plan: Plan, rows: Iterable[object]) -> Chunk | None:
    """Return all the rows as one chunk, None where there are none.

    Raises:
        ValueError: they are too many for one transaction.
    """
    found = chunks(plan, rows)
    first = next(found, None)
    if next(found, None) is not None:
        raise ValueError(
            f"more than one transaction holds: {ROWS} rows and {BYTES // 1024 // 1024} MiB at most; "
            "use load(), which cuts them into transactions"
        )
    return first


class Names:
    """Gives every row its column names."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._set = frozenset(columns)
        self._number = 0

    def __call__(self, row: object) -> Mapping[str, object]:
        """Return the next row as a mapping."""
        self._number += 1
        if type(row) is dict and row.keys() == self._set:
            return row
        if isinstance(row, (tuple, list)) or (
            isinstance(row, Sequence) and not isinstance(row, (str, bytes))
        ):
            if len(row) == len(self._columns):
                return dict(zip(self._columns, row))  # noqa: B905 (just compared)
            columns = ", ".join(self._columns)
            raise ValueError(f"row {self._number} has {len(row)} values for the columns {columns}")
        if isinstance(row, Mapping):
            if row.keys() == self._set:
                return dict(row)
            raise ValueError(_misfit(self._number, row.keys(), self._columns))
        if dataclasses.is_dataclass(row):
            return {name: getattr(row, name) for name in self._columns}
        kind = type(row).__name__
        raise TypeError(f"row {self._number} is a {kind}; give dicts, dataclasses or sequences")


class Encoder:
    """Writes rows as JSON objects."""

    def __init__(self) -> None:
        self._transformer = Transformer()
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=self._adapted
        ).encode

    def __call__(self, rows: list[Mapping[str, object]]) -> str:
        """Return rows as the inside of a JSON array."""
        try:
            return self._encode(rows)[1:-1]
        except ValueError:  # NaN or infinity, which JSON has no number for
            return self._encode([{name: _spelt(value) for name, value in row.items()} for row in rows])[1:-1]

    def _adapted(self, value: object) -> object:
        """Return what stands for a value that JSON does not know: its text in PostgreSQL, as psycopg writes it."""
        if isinstance(value, (Json, Jsonb)):
            return value.obj
        if isinstance(value, (bytes, bytearray, memoryview)):
            return "\\x" + bytes(value).hex()
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return None if dumped is None else bytes(dumped).decode()


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


def _columns_of(row: object) -> tuple[str, ...]:
    if isinstance(row, Mapping):
        return tuple(row)
    if dataclasses.is_dataclass(row):
        return tuple(field.name for field in dataclasses.fields(row))
    raise TypeError(f"the rows are {type(row).__name__} and carry no column names; pass columns=[…]")


def _names(columns: Iterable[str]) -> str:
    return ", ".join(sql.identifier(column).text for column in columns)


def _spelt(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _misfit(number: int, found: Iterable[str], columns: Iterable[str]) -> str:
    missing, extra = sorted(set(columns) - set(found)), sorted(set(found) - set(columns))
    faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"also has {', '.join(extra)}"] * bool(extra)
    return f"row {number} {' and '.join(faults)}; all rows must have the columns of the first, or pass columns=[…]"
