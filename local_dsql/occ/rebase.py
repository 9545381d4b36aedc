"""A doomed transaction works on: its own changes on top of a fresh snapshot, whatever it takes, never to be committed.

The client learns at COMMIT that it lost; until then its statements must succeed and must read what it wrote. Rows
that it has not written may show newer values than its old snapshot did (divergence `doomed-sees-newer-rows`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.occ import restore
from local_dsql.wire.backend import BackendError
from local_dsql.wire.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from local_dsql.occ.effects import Effects, TableEffects

ATTEMPTS = 16
"""How often a fresh snapshot is tried: between two tries somebody has committed over the same rows."""

MOST_EVICTIONS = 3001
"""Rows of others that can be in the way of rows of ours; a transaction changes no more than 3,000."""


async def force(run: Callable[[str], Awaitable[object]], effects: Effects) -> None:
    """Put the effects on top of what the current snapshot shows, with foreign keys switched off."""
    await run("SET LOCAL session_replication_role = replica")
    for each in effects.tables:
        await _clear(run, each)
    for each in effects.tables:
        rows = [*(new for _, new in each.updates), *each.inserts]
        if rows:
            await _insert(run, restore.insert_images(each.table, rows))
    await run("SET LOCAL session_replication_role = origin")


async def _clear(run: Callable[[str], Awaitable[object]], each: TableEffects) -> None:
    """Remove every row that the transaction has removed or replaced."""
    if not each.table.has_key:
        gone = [*each.deletes, *(old for old, _ in each.updates)]
        if gone:
            await run(restore.delete_places(each.table, gone))
        return
    identities = ",".join(map(literal, sorted(each.written)))
    await run(f"DELETE FROM {each.table.name} t WHERE {each.table.identity} = ANY(ARRAY[{identities}])")


async def _insert(run: Callable[[str], Awaitable[object]], sql: str) -> None:
    """Insert rows, removing rows of others that clash with them."""
    await run("SAVEPOINT local_dsql_force")
    for _ in range(MOST_EVICTIONS):
        try:
            await run(sql)
        except BackendError as error:
            await run("ROLLBACK TO SAVEPOINT local_dsql_force")
            if error.sqlstate != "23505":
                raise
            await run(evict(error.fields))
            await run("SAVEPOINT local_dsql_force")
        else:
            return
    raise BackendError({"C": "40001", "M": "rows of others are in the way"})


def evict(fields: Mapping[str, str]) -> str:
    """Return the DELETE of the row that a duplicate-key error names."""
    columns, values = key_of(fields)
    table = f"{identifier(fields['s'])}.{identifier(fields['t'])}"
    return f"DELETE FROM {table} WHERE concat_ws(', ', {columns}) = {literal(values)}"


def key_of(fields: Mapping[str, str]) -> tuple[str, str]:
    """Return the columns and the values that `Key (…)=(…)` in an error's detail names."""
    columns, _, values = fields.get("D", "").removeprefix("Key (").partition(")=(")
    return columns, values.rpartition(")")[0]
