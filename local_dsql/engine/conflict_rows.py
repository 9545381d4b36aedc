"""Tables and primary keys of the rows that a transaction has changed, for the conflict log."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from local_dsql.engine.commands import TEXT, Command, Parameter, places, read_text_array, text
from local_dsql.engine.suspend import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table
    from local_dsql.write_ahead_log.changes import TableChanges
    from local_dsql.write_ahead_log.operations import Place

_ROWS_SHOWN = 3
_READ = "SELECT local_dsql_engine.read_rows($1, $2, $3, $4)"


async def changed_keys(
    held: HeldSession, changes: Mapping[int, TableChanges] | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the tables that a transaction has changed, and the keys of at most three rows.

    `changes` are those of an active transaction, if they have been read.

    A suspended transaction is at its base, where the rows that it replaces or deletes are visible. An active one shows
    the rows that it has made.
    """
    suspended = held.transaction.suspended
    if suspended is not None:
        changed = [(each.table, [*each.changes.updates, *each.changes.deletes]) for each in suspended.tables]
    else:
        if changes is None:
            changes = (await held.services.log.operations(held.backend.pid)).changes()
        found = await tables_of(held, changes)
        changed = [(table, changes[file].made) for file, table in found.items()]
    tables = [table.relation.lower() for table, _ in changed]
    rows: list[str] = []
    for table, at in changed:
        rows += await keys_at(held, table, islice(at, _ROWS_SHOWN - len(rows)))
    return tables, tuple(rows)


async def keys_at(held: HeldSession, table: Table, at: Iterable[Place]) -> list[str]:
    """Return the primary keys of the rows at places, as PostgreSQL prints a row."""
    parameters = (held.services.token, Parameter(TEXT, None), text(table.keys_at), places(at))
    (result,) = await held.run([Command(_READ, parameters, binary=True)])
    if result.error is not None or result.rows[0][0] is None:
        return []
    return read_text_array(result.rows[0][0])
