"""Tables as the meter sees them: their files, the rows that scans have read, and the sizes of rows and entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Rows = Callable[[str], Awaitable[list[list[str | None]]]]

_TABLES = """\
SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_relation_filenode(c.oid),
    pg_catalog.pg_relation_filenode(NULLIF(c.reltoastrelid, 0)),
    pg_catalog.pg_stat_get_tuples_returned(c.oid)
        + COALESCE(sum(pg_catalog.pg_stat_get_tuples_returned(i.indexrelid)), 0),
    pg_catalog.pg_stat_get_numscans(c.oid) + COALESCE(sum(pg_catalog.pg_stat_get_numscans(i.indexrelid)), 0),
    count(i.indexrelid) FILTER (WHERE i.indislive AND NOT i.indisprimary)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sys', 'local_dsql')
    AND n.nspname NOT LIKE 'pg\\_%'
GROUP BY c.oid, n.nspname, c.relname, c.reltoastrelid"""

_INDEXES = """\
SELECT i.indexrelid, i.indisprimary, a.attname
FROM pg_catalog.pg_index i CROSS JOIN generate_series(0, i.indnatts - 1) AS place
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]
WHERE i.indrelid = {oid} AND i.indislive ORDER BY i.indexrelid, place"""

_EXPRESSION_SIZE = 16
"""Bytes that an expression in an index counts, and the key of a table that is gone."""


@dataclass(frozen=True, slots=True)
class TableState:
    """A table at one moment; `read` and `scans` count since its creation, `indexes` are the secondary ones."""

    oid: int
    schema: str
    name: str
    file: int
    toast_file: int
    read: int
    scans: int
    indexes: int

    @property
    def sizes_if_dropped(self) -> TableSizes:
        """Return sizes for what was written before it was dropped: those of the entries are not known."""
        return TableSizes(0, 0.0, _EXPRESSION_SIZE, (0.0,) * self.indexes)


@dataclass(frozen=True, slots=True)
class TableSizes:
    """Average bytes of a row, of its primary key, and of its entry in each secondary index; and the number of rows."""

    rows: int
    row: float
    key: float
    entries: tuple[float, ...]

    @property
    def stored(self) -> float:
        """Bytes of all rows and index entries."""
        return self.rows * (self.row + sum(self.entries))


async def read_tables(rows: Rows) -> dict[int, TableState]:
    """Return the tables of clients, by their object id."""
    found = {}
    for oid, schema, name, *numbers in await rows(_TABLES):
        state = TableState(int(str(oid)), str(schema), str(name), *(int(each or 0) for each in numbers))
        found[state.oid] = state
    return found


async def read_sizes(rows: Rows, table: TableState) -> TableSizes:
    """Return the sizes in a table, averages over all its rows."""
    keys: list[str] = []
    indexes: dict[str, list[str]] = {}
    for index, primary, column in await rows(_INDEXES.format(oid=table.oid)):
        size = (
            str(_EXPRESSION_SIZE)
            if column is None
            else f"COALESCE(pg_column_size(t.{identifier(column)}), 0)"
        )
        if primary == "t":
            keys.append(size)
        else:
            indexes.setdefault(str(index), []).append(size)
    key = " + ".join(keys) or str(_EXPRESSION_SIZE)
    # An entry has the primary key, too: it names the row. A composite value has a header of 24 bytes.
    wanted = ["pg_column_size(t.*) - 24", key, *(f"{' + '.join(each)} + {key}" for each in indexes.values())]
    averages = ", ".join(f"COALESCE(avg({each}), 0)" for each in wanted)
    name = f"{identifier(table.schema)}.{identifier(table.name)}"
    ((count, row, key_size, *entries),) = await rows(f"SELECT count(*), {averages} FROM {name} AS t")
    return TableSizes(
        int(str(count)), float(str(row)), float(str(key_size)), tuple(float(str(each)) for each in entries)
    )
