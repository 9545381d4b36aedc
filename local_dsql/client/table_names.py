"""Names of tables that a client gives: a wrong one is an error, with the nearest that there is."""

from __future__ import annotations

import difflib

from local_dsql.errors import LocalDatabaseError

_TABLES = """
SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'sys')
"""


def check_table(dsn: str, table: str, given_as: str) -> None:
    """Check that a database has a table, by its name or with its schema.

    Args:
        dsn: connection string.
        table: name that was given.
        given_as: the option or argument that has the name.

    Raises:
        LocalDatabaseError: there is no such table, so no COMMIT would ever match.
    """
    import psycopg

    with psycopg.connect(dsn) as connection:
        rows = connection.execute(_TABLES).fetchall()
    known = {name for schema, table_name in rows for name in (table_name, f"{schema}.{table_name}")}
    if table in known:
        return
    near = difflib.get_close_matches(table, known, 1)
    tables = sorted(
        table_name if schema == "public" else f"{schema}.{table_name}" for schema, table_name in rows
    )
    raise LocalDatabaseError(
        f"{given_as} {table}: there is no such table",
        f"the database has {', '.join(tables) or 'no tables'}",
        f"did you mean {near[0]}?" if near else "pass one of these, or create it first",
    )
