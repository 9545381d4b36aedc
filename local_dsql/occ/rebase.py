"""A doomed transaction works on: its own changes on top of a fresh snapshot, whatever it takes, never to be committed.

The client learns at COMMIT that it lost; until then its statements must succeed and must read what it wrote. Rows
that it has not written may show newer values than its old snapshot did (divergence `doomed-sees-newer-rows`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.limits import ROWS_PER_TRANSACTION
from local_dsql.occ import restore
from local_dsql.occ.privilege import AS_SUPERUSER, as_writer
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from local_dsql.occ.effects import Effects, Removed, TableEffects
    from local_dsql.occ.tables import Table

ATTEMPTS = 16
"""How often a fresh snapshot is tried: between two tries somebody has committed over the same rows."""

MOST_EVICTIONS = ROWS_PER_TRANSACTION + 1
"""Rows of others that can be in the way of rows of ours; a transaction changes no more than `ROWS_PER_TRANSACTION`."""


async def force(run: Callable[[str], Awaitable[object]], effects: Effects) -> None:
    """Put the effects on top of what the current snapshot shows, with foreign keys switched off."""
    await run("SET LOCAL session_replication_role = replica")
    for each in effects.tables:
        await run(as_writer((each.table,)).rstrip("; "))
        await _clear(run, each)
    for each in effects.tables:
        rows = [*(new for _, new in each.updates), *each.inserts]
        if rows:
            await run(as_writer((each.table,)).rstrip("; "))
            await _insert(run, restore.insert_images(each.table, rows))
    await run(AS_SUPERUSER + "SET LOCAL session_replication_role = origin")


async def _clear(run: Callable[[str], Awaitable[object]], each: TableEffects) -> None:
    """Remove every row that the transaction has removed or replaced."""
    gone = [*each.deletes, *(old for old, _ in each.updates)]
    if each.table.has_key:
        identities = ",".join(map(literal, sorted(each.written)))
        await run(f"DELETE FROM {each.table.name} t WHERE {each.table.identity} = ANY(ARRAY[{identities}])")
    elif gone:
        await run(_delete_newest(each.table, gone))
    for sql in _delete_keys(each.table, gone):
        await run(sql)


def _delete_newest(table: Table, gone: Iterable[Removed]) -> str:
    """Return the DELETE of rows without a key, in whatever version somebody has put in the place of the old one.

    `currtid2` follows a row's chain of versions to the newest one that is committed.
    """
    name = literal(table.name)
    places = ",".join(f"pg_catalog.currtid2({name},{literal(row.at)}::pg_catalog.tid)" for row in gone)
    return f"DELETE FROM {table.name} WHERE ctid = ANY(ARRAY[{places}])"


def _delete_keys(table: Table, gone: Sequence[Removed]) -> Iterator[str]:
    """Yield the DELETE, for each unique key, of the rows that hold a key which the transaction has taken away.

    By its snapshot the key is free; the row may be there under another primary key by now.
    """
    order = list(dict.fromkeys(column for _, columns in table.unique for column in columns))
    rows = [dict(zip(order, split(row.keys[1:-1], '"'), strict=True)) for row in gone if order]
    for _, columns in table.unique:
        keys = {tuple(row[column] for column in columns) for row in rows}
        texts = ",".join(literal(f"({','.join(key)})") for key in sorted(keys) if all(key))
        if texts:
            yield f"DELETE FROM {table.name} WHERE ROW({','.join(columns)})::pg_catalog.text = ANY(ARRAY[{texts}])"


async def _insert(run: Callable[[str], Awaitable[object]], sql: str) -> None:
    """Insert rows, removing rows of others that clash with them."""
    await run("SAVEPOINT local_dsql_force")
    evictions: set[str] = set()
    for _ in range(MOST_EVICTIONS):
        try:
            await run(sql)
        except BackendError as error:
            await run("ROLLBACK TO SAVEPOINT local_dsql_force")
            if error.sqlstate != "23505":
                raise
            eviction = evict(error.fields)
            if eviction in evictions:
                break  # removing it has not helped
            evictions.add(eviction)
            await run(eviction)
            await run("SAVEPOINT local_dsql_force")
        else:
            return
    raise BackendError({"C": "40001", "M": "rows of others are in the way"})


def evict(fields: Mapping[str, str]) -> str:
    """Return the DELETE of the row that a duplicate-key error names."""
    return f"DELETE FROM {table_of(fields)} WHERE {is_key(fields, key_of(fields)[0])}"


def table_of(fields: Mapping[str, str]) -> str:
    """Return the table that an error names."""
    return f"{identifier(fields['s'])}.{identifier(fields['t'])}"


def is_key(fields: Mapping[str, str], columns: str) -> str:
    """Return the condition that the columns of a row have the values that an error names.

    PostgreSQL prints NULL as `null`; it can only be a duplicate where the index says NULLS NOT DISTINCT.
    """
    index = literal(f"{identifier(fields['s'])}.{identifier(fields['n'])}")
    null = (
        "(SELECT 'null' FROM pg_catalog.pg_index"
        f" WHERE indexrelid = pg_catalog.to_regclass({index}) AND indnullsnotdistinct)"
    )
    texts = (
        f"CASE WHEN ({column}) IS NULL THEN {null} ELSE pg_catalog.concat({column}) END"
        for column in split(columns, "'\"")
    )
    return " || ', ' || ".join(texts) + f" = {literal(key_of(fields)[1])}"


def key_of(fields: Mapping[str, str]) -> tuple[str, str]:
    """Return the columns and the values that `Key (…)=(…)` in an error's detail names."""
    columns, _, values = fields.get("D", "").removeprefix("Key (").partition(")=(")
    return columns, values.rpartition(")")[0]


def split(text: str, quotes: str) -> list[str]:
    """Split at the commas that are neither quoted nor in parentheses; a quote within quotes is doubled."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in quotes:
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        if character == "," and not quote and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts
