"""What a table is like, as far as the way of sending rows to it depends on that; looked up once a table."""

from __future__ import annotations

from .fragments import Sql, sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable

_JSON = ("json", "jsonb")


class TableShape:
    """Columns with their types, and which of them COPY may fill.

    Args:
        rows: name and type of each column, and whether COPY may fill it.
    """

    def __init__(self, rows: list[tuple[str, str, bool]]) -> None:
        self.types = {name: kind for name, kind, _ in rows}
        self._not_by_copy = {name for name, _, by_copy in rows if not by_copy}

    def copyable(self, columns: Iterable[str]) -> bool:
        """Tell whether COPY does with these columns what INSERT does.

        It cannot fill a view, which PostgreSQL says only in the middle of the COPY; and it takes values for a column
        that is GENERATED ALWAYS AS IDENTITY, which INSERT refuses, so that rows to come would repeat them.
        """
        return self._not_by_copy.isdisjoint(columns)

    def json_among(self, columns: Iterable[str]) -> dict[str, str]:
        """Return which of the columns are json, and their type; those that do not exist are the server's to refuse."""
        return {name: self.types[name] for name in columns if self.types.get(name) in _JSON}


class TableShapes:
    """What has been learnt of the tables of one database."""

    def __init__(self) -> None:
        self._known: dict[str, TableShape] = {}

    def of(self, table: Sql, columns: Iterable[str]) -> TableShape | None:
        """Return what a table with these columns is like; None where the server must be asked."""
        known = self._known.get(table.text)
        if known is None or not known.types.keys() >= set(columns):  # a migration may have added some
            return None
        return known

    def learn(self, table: Sql, rows: list[tuple[str, str, bool]]) -> TableShape:
        """Take in the answer to the question."""
        self._known[table.text] = shape = TableShape(rows)
        return shape


def question(table: Sql) -> Sql:
    """Return the statement that asks for a table's columns and their types, which of a domain is that below it."""
    return sql(
        "SELECT attname, format_type(COALESCE(NULLIF(typbasetype, 0), atttypid), NULL), "
        "relkind = 'r' AND attidentity <> 'a' "
        "FROM pg_catalog.pg_attribute "
        "JOIN pg_catalog.pg_type ON pg_type.oid = atttypid "
        "JOIN pg_catalog.pg_class ON pg_class.oid = attrelid "
        "WHERE attrelid = {table}::regclass AND attnum > 0 AND NOT attisdropped",
        table=table.text,
    )
