"""Rights of a client on keys: which keys PostgreSQL shows it in the DETAIL of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, oid, run_checked, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table

_SHOWS_KEY = (
    "SELECT pg_catalog.has_table_privilege($1, 'SELECT') OR coalesce((SELECT pg_catalog.bool_and("
    "pg_catalog.has_column_privilege($1, name, 'SELECT')) FROM pg_catalog.unnest($2) name), false)"
)


async def shows_key(held: HeldSession, table: Table, columns: Sequence[str]) -> bool:
    """Return whether PostgreSQL shows the client a key of columns: it may read the table, or all these columns.

    A key without columns, that of an expression, it shows only to a client that may read the table.
    """
    (shown,) = await run_checked(held, [Command(_SHOWS_KEY, (oid(table.oid), texts(columns)))])
    return shown.is_true
