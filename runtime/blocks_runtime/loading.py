"""Rows on their way into a table: named, encoded, measured, and cut into chunks that DSQL takes.

A chunk is one statement with one parameter, a JSON array that the server turns into rows of the table's own type.
That is as fast as COPY and several times as fast as VALUES, needs no look-up of column types, and unlike COPY it
can leave alone what is there already.
"""

from __future__ import annotations

import dataclasses
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
    """Some rows, encoded."""

    text: str
    rows: tuple[str, ...]
    bytes: int

    def statement(self) -> Sql:
        """Return the INSERT."""
        before, _, after = self.text.partition("$1")
        return Sql((before, after), (f"[{','.join(self.rows)}]",))

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return two chunks with half of the rows each."""
        middle = len(self.rows) // 2
        return tuple(  # type: ignore[return-value]
            Chunk(self.text, part, sum(map(len, part))) for part in (self.rows[:middle], self.rows[middle:])
        )


def chunks(plan: Plan, rows: Iterable[object]) -> Iterator[Chunk]:
    """Yield the rows in chunks of at most `ROWS` rows and, a single larger row aside, `BYTES` bytes.

    Raises:
        TypeError: the columns of a row are not known, or a value is of a type that psycopg cannot adapt.
        ValueError: a row has other columns than the first.
    """
    text, encode = "", None
    batch: list[str] = []
    size = 0
    for number, row in enumerate(rows, start=1):
        if encode is None:
            columns = plan.columns or _columns_of(row)
            text, encode = plan.statement(columns), Encoder(columns)
        line = encode(row, number)
        length = len(line) if line.isascii() else len(line.encode())
        if batch and (len(batch) == ROWS or size + length > BYTES):
            yield Chunk(text, tuple(batch), size)
            batch, size = [], 0
        batch.append(line)
        size += length + 1
    if batch:
        yield Chunk(text, tuple(batch), size)


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


class Encoder:
    """Writes rows as JSON objects by column name."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._names = frozenset(columns)
        self._transformer = Transformer()
        options = {"ensure_ascii": False, "separators": (",", ":"), "default": self._adapted}
        self._plain = json.JSONEncoder(**options, allow_nan=False).encode  # type: ignore[arg-type]

    def __call__(self, row: object, number: int) -> str:
        """Return row number `number` as JSON."""
        named = self._named(row, number)
        try:
            return self._plain(named)
        except ValueError:  # NaN or infinity, which JSON has no number for
            return self._plain({name: _spelt(value) for name, value in named.items()})

    def _named(self, row: object, number: int) -> Mapping[str, object]:
        if isinstance(row, Mapping):
            if row.keys() == self._names:
                return row if type(row) is dict else dict(row)
            raise ValueError(_misfit(number, row.keys(), self._columns))
        if dataclasses.is_dataclass(row):
            return {name: getattr(row, name) for name in self._columns}
        if isinstance(row, Sequence) and not isinstance(row, (str, bytes)):
            if len(row) == len(self._columns):
                return dict(zip(self._columns, row, strict=True))
            raise ValueError(f"row {number} has {len(row)} values for the columns {', '.join(self._columns)}")
        raise TypeError(f"row {number} is a {type(row).__name__}; give dicts, dataclasses or sequences")

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
