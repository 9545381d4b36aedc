"""Conversion of a caller's rows to values in the order of the columns."""

from __future__ import annotations

import contextlib
import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Values: TypeAlias = "Sequence[object]"


class RowValues:
    """Returns the values of rows in the order of the columns; counts the rows for its errors."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._set = frozenset(columns)
        self._pick = _picker(columns)
        self._number = 1

    def of(self, rows: Sequence[object]) -> list[Values]:
        """Return the values of the next rows.

        Raises:
            TypeError: a row is neither a mapping nor a dataclass nor a sequence.
            ValueError: a row has other columns than the first.
        """
        values = self._uniform(rows) or [
            self._one(row, number) for number, row in enumerate(rows, self._number)
        ]
        self._number += len(rows)
        return values

    def _uniform(self, rows: Sequence[object]) -> list[Values] | None:
        """Return the values of rows that are all dicts, or all tuples, with the right columns; else None."""
        kinds = set(map(type, rows))
        if kinds == {tuple}:
            tuples = cast("list[tuple[object, ...]]", rows)
            return list(tuples) if set(map(len, tuples)) == {len(self._columns)} else None
        if kinds == {dict}:
            dicts = cast("list[dict[str, object]]", rows)
            if set(map(len, dicts)) == {len(self._columns)}:
                with contextlib.suppress(KeyError):
                    return list(map(self._pick, dicts))
        return None

    def _one(self, row: object, number: int) -> Values:
        if isinstance(row, Mapping):
            if row.keys() == self._set:
                return self._pick(row)
            raise ValueError(_misfit(number, row.keys(), self._columns))
        if isinstance(row, Sequence) and not isinstance(row, (str, bytes)):
            if len(row) == len(self._columns):
                return row
            columns = ", ".join(self._columns)
            raise ValueError(f"row {number} has {len(row)} values for the columns {columns}")
        if dataclasses.is_dataclass(row):
            return [getattr(row, name) for name in self._columns]
        raise TypeError(f"row {number} is a {type(row).__name__}; give dicts, dataclasses or sequences")


def columns_of(row: object) -> tuple[str, ...]:
    """Return the column names of a row.

    Raises:
        TypeError: it has none.
    """
    if isinstance(row, Mapping):
        return tuple(row)
    if dataclasses.is_dataclass(row):
        return tuple(field.name for field in dataclasses.fields(row))
    raise TypeError(f"the rows are {type(row).__name__} and have no column names; pass columns=[…]")


def _picker(columns: tuple[str, ...]) -> Callable[[Mapping[str, object]], Values]:
    if len(columns) > 1:  # with a single name it returns the value itself
        return operator.itemgetter(*columns)
    return lambda row: [row[name] for name in columns]


def _misfit(number: int, found: Iterable[str], columns: Iterable[str]) -> str:
    missing, extra = sorted(set(columns) - set(found)), sorted(set(found) - set(columns))
    faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"also has {', '.join(extra)}"] * bool(extra)
    return f"row {number} {' and '.join(faults)}; all rows must have the columns of the first, or pass columns=[…]"
