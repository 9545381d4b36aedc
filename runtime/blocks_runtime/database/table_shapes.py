"""Column types of tables, which decide how rows are sent; read once for each table."""

from __future__ import annotations

from .fragments import Sql, sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable

_JSON = ("json", "jsonb")


class TableShape:
    """Columns of a table with their types, and the columns that COPY may fill.

    Args:
        rows: name and type of each column, and whether COPY may fill it.
    """

    def __init__(self, rows: list[tuple[str, str, bool]]) -> None:
        self.types = {name: kind for name, kind, _ in rows}
        self._not_by_copy = {name for name, _, by_copy in rows if not by_copy}

    def copyable(self, columns: Iterable[str]) -> bool:
        """Return whether COPY into these columns does the same as INSERT.

        COPY cannot fill a view, which PostgreSQL reports only during the COPY; and it accepts values for a column that
        is GENERATED ALWAYS AS IDENTITY, which INSERT refuses, so that later rows would collide with them.
        """
        return self._not_by_copy.isdisjoint(columns)

    def json_among(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the json columns with their type; columns that do not exist are left for the server to refuse."""
        return {name: self.types[name] for name in columns if self.types.get(name) in _JSON}


class TableShapes:
    """Cache of the shapes of tables of one database."""

    def __init__(self) -> None:
        self._known: dict[str, TableShape] = {}

    def of(self, table: Sql, columns: Iterable[str]) -> TableShape | None:
        """Return the shape of a table with these columns; None if it is not cached."""
        known = self._known.get(table.text)
        if known is None or not known.types.keys() >= set(columns):  # a migration may have added some
            return None
        return known

    def learn(self, table: Sql, rows: list[tuple[str, str, bool]]) -> TableShape:
        """Store the rows that the query of `shape_query` returned."""
        self._known[table.text] = shape = TableShape(rows)
        return shape


def shape_query(table: Sql) -> Sql:
    """Return the query for a table's columns and their types; a domain has its base type."""
    return sql(
        "SELECT attname, format_type(COALESCE(NULLIF(typbasetype, 0), atttypid), NULL), "
        "relkind = 'r' AND attidentity <> 'a' "
        "FROM pg_catalog.pg_attribute "
        "JOIN pg_catalog.pg_type ON pg_type.oid = atttypid "
        "JOIN pg_catalog.pg_class ON pg_class.oid = attrelid "
        "WHERE attrelid = {table}::regclass AND attnum > 0 AND NOT attisdropped",
        table=table.text,
    )
