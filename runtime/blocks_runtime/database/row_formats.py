"""Encodings of rows: COPY's text format, and a JSON array as the one parameter of an INSERT.

COPY is the fastest. The INSERT is for what COPY cannot do: skip existing rows (`ON CONFLICT`), and run inside a
transaction of other statements. It is several times as fast as VALUES, and the server converts the array to the table's
row type, so that both encodings accept a value as psycopg does: as its PostgreSQL text.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Protocol, cast

from psycopg.adapt import PyFormat, Transformer

from .fragments import Sql, sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from .row_values import Values

    Write = Callable[[Any], str | None]

_PLAIN = {int, float, bool, type(None)}
"""Types whose texts contain no special characters."""

_SPECIAL = "\\\n\t\r"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"})


class RowFormat(Protocol):
    """Encoding of rows, and the statement for them."""

    @property
    def text(self) -> str:
        """The statement."""

    @property
    def separator(self) -> str:
        """Separator between encoded pieces of one chunk."""

    def encode(self, rows: Sequence[Values]) -> str:
        """Return encoded rows.

        Raises:
            psycopg.ProgrammingError: a value is of a type that psycopg cannot adapt.
        """


class CopyFormat:
    """One line for each row, for `COPY … FROM STDIN`. Documented as `\\copy` in AWS's user guide, "loading data"."""

    separator = ""

    def __init__(self, table: Sql, columns: tuple[str, ...]) -> None:
        self.text = f"COPY {table.text} ({_names(columns)}) FROM STDIN"
        self._texts = _Texts()

    def encode(self, rows: Sequence[Values]) -> str:
        """Return rows as lines."""
        columns = map(self._column, zip(*rows, strict=True))
        return "\n".join([*map("\t".join, zip(*columns, strict=True)), ""])

    def _column(self, values: Sequence[object]) -> Iterable[str]:
        """Encode a column at once: one search for special characters covers all its values."""
        kinds = set(map(type, values))
        texts = self._texts.of(values, kinds)
        if not kinds <= _PLAIN:
            written = "".join(filter(None, texts))
            if any(character in written for character in _SPECIAL):
                texts = [text and text.translate(_ESCAPES) for text in texts]
        if None in texts:
            return ["\\N" if text is None else text for text in texts]
        return cast("Sequence[str]", texts)


class InsertFormat:
    """Objects of a JSON array that is the `$1` of an INSERT.

    Args:
        table: the quoted name.
        columns: names of the columns.
        key: columns that identify existing rows, which are left unchanged; None: existing rows are an error.
        json_columns: columns of a json type, with the type.
    """

    separator = ","

    def __init__(
        self,
        table: Sql,
        columns: tuple[str, ...],
        key: tuple[str, ...] | None,
        json_columns: Mapping[str, str],
    ) -> None:
        # A string for a json column is JSON text, as in psycopg; the server would read it as a JSON string.
        sources = ", ".join(
            f"({_names([name])} #>> '{{}}')::{json_columns[name]}" if name in json_columns else _names([name])
            for name in columns
        )
        unless = f" ON CONFLICT ({_names(key)}) DO NOTHING" if key else ""
        rows = f"json_populate_recordset(NULL::{table.text}, $1)"
        self.text = f"INSERT INTO {table.text} ({_names(columns)}) SELECT {sources} FROM {rows}{unless}"  # noqa: S608 (all quoted)
        self._columns = columns
        self._json = [number for number, name in enumerate(columns) if name in json_columns]
        self._texts = _Texts()

    def encode(self, rows: Sequence[Values]) -> str:
        """Return rows as the elements of a JSON array."""
        if self._json:
            rows = [self._with_json_as_text(row) for row in rows]
        objects = [dict(zip(self._columns, row, strict=True)) for row in rows]
        try:
            return self._texts.json(objects)[1:-1]
        except ValueError:  # NaN or infinity, which are not JSON numbers
            return self._texts.json(
                [{name: _spelt(value) for name, value in row.items()} for row in objects]
            )[1:-1]

    def statement(self, rows: str) -> Sql:
        """Return the INSERT for encoded rows."""
        before, _, after = self.text.partition("$1")
        return Sql((before, after), (f"[{rows}]",), self.text)

    def _with_json_as_text(self, row: Values) -> Values:
        values = list(row)
        for number in self._json:
            values[number] = self._texts[type(values[number])](values[number])
        return values


class _Texts(dict[type, "Write"]):
    """Functions that convert a value to its PostgreSQL text as psycopg does, by type."""

    def __init__(self) -> None:
        super().__init__()
        self._transformer = Transformer()
        self.json = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=self._in_json
        ).encode
        self[int] = str
        self[str] = str
        self[float] = repr
        self[bool] = {False: "false", True: "true"}.__getitem__
        self[type(None)] = lambda _: None

    def of(self, values: Sequence[object], kinds: set[type]) -> Sequence[str | None]:
        """Return the texts of values of these types, None for NULL."""
        if len(kinds) == 1:
            (kind,) = kinds
            return cast("Sequence[str]", values) if kind is str else [*map(self[kind], values)]
        return [self[type(value)](value) for value in values]

    def __missing__(self, kind: type) -> Write:
        # psycopg encodes these as arrays and composites, which are not column types of DSQL; json is.
        nested = issubclass(kind, (dict, list, tuple))
        write = self[kind] = self.json if nested else self._adapted
        return write

    def _adapted(self, value: object) -> str | None:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return "\\x" + bytes(value).hex()
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return None if dumped is None else bytes(dumped).decode()

    def _in_json(self, value: object) -> str | None:
        """Return the text of a value that is not a JSON type."""
        return self[type(value)](value)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(sql.identifier(column).text for column in columns)


def _spelt(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
