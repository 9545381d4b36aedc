"""Pages of a table in key order: each query continues after the last key of the one before.

A page is a short query, whatever the size of the table: DSQL ends a transaction after `TRANSACTION_SECONDS`. Pages that
fit into `SNAPSHOT_SECONDS` are of one transaction, and so of one snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.database.fragments import Sql
from blocks_runtime.limits import TRANSACTION_SECONDS

if TYPE_CHECKING:
    from blocks_cli.bulk.table import Column, Table

SNAPSHOT_SECONDS = TRANSACTION_SECONDS * 0.8
"""Seconds for which pages are read in one transaction."""

FIRST = 100
MOST = 20_000
"""Rows of the first page, and of the largest."""

BYTES = 4 * 1024 * 1024
"""Bytes that a page should have; the size of the rows so far gives the number of rows."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pages:
    """Queries for the pages of a table.

    Args:
        table: the table.
        columns: columns to read.
        key: columns of a unique key.
        as_json: one JSON object for a row, instead of one text for each value.
    """

    table: Table
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    as_json: bool

    def query(self, after: Key | None, rows: int | None) -> Sql:
        """Return the query of the page after a key; the key's texts are the first columns of the result."""
        # With the prefix: a bare name in ORDER BY is that of a result column, here the text of the value.
        names = [f"t.{_name(each)}" for each in self.key]
        results = ", ".join([*(f"{each}::text" for each in names), *self._values])
        begin = f"SELECT {results} FROM {self.table.sql.text} AS t"  # noqa: S608 (all quoted)
        end = f" ORDER BY {', '.join(names)}" if self.key else ""
        end += "" if rows is None else f" LIMIT {rows:d}"
        if after is None:
            return Sql((begin + end,))
        types = [f"::{self.table.column(each).type}" for each in self.key]
        between = [f"{each}, " for each in types[:-1]]
        first = f"{begin} WHERE ({', '.join(names)}) > ("
        return Sql((first, *between, f"{types[-1]}){end}"), after)

    @property
    def _values(self) -> list[str]:
        names = [_name(each.name) for each in self.columns]
        if not self.as_json:
            return [f"t.{each}::text" for each in names]
        pairs = ", ".join(f"t.{each} AS {each}" for each in names)
        # With the star: a bare name in an argument is a column, if one has that name.
        return [f"(SELECT row_to_json(r.*)::text FROM (SELECT {pairs}) AS r)"]  # noqa: S608 (all quoted)


def next_size(rows: int, size: int) -> int:
    """Return the number of rows of the next page, given rows so far and their bytes."""
    return max(1, min(MOST, BYTES * rows // max(size, 1)))


def _name(name: str) -> str:
    return sql.identifier(name).text
