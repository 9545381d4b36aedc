"""Bringing a parked transaction's changes back, as row images on the snapshot that it kept.

All changes to all tables are one SQL statement with writing CTEs. PostgreSQL checks foreign keys at the end of a
statement, so a parent and its child may come back together in any order; cascades find their work done and do
nothing; checks that are deferred are queued again; and a row that somebody committed over raises 40001, because
PostgreSQL itself is the referee.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.occ.privilege import AS_SUPERUSER, as_writer
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from local_dsql.occ.effects import Effects, Made, Removed, TableEffects
    from local_dsql.occ.tables import Table


def statement(effects: Effects) -> str | None:
    """Return the statement that brings everything back, None where there is nothing."""
    parts = [part for index, table in enumerate(effects.tables) for part in _parts(index, table)]
    if not parts:
        return None
    # Deletes run before updates before inserts: the select list is evaluated in order, and a CTE when it is read.
    parts.sort(key=lambda part: part[0])
    clauses = ", ".join(f"{name} AS ({sql} RETURNING 1)" for name, sql, _ in parts)
    counts = ", ".join(f"(SELECT pg_catalog.count(*) FROM {name})" for name, _, _ in parts)
    return f"WITH {clauses} SELECT {counts}"


def expected(effects: Effects) -> list[str]:
    """Return the counts that the statement must report."""
    parts = [part for index, table in enumerate(effects.tables) for part in _parts(index, table)]
    return [str(count) for _, _, count in sorted(parts, key=lambda part: part[0])]


def _parts(index: int, effects: TableEffects) -> Iterator[tuple[str, str, int]]:
    table = effects.table
    if effects.deletes:
        yield f"a{index}", delete_places(table, effects.deletes), len(effects.deletes)
    if effects.updates:
        yield f"b{index}", _update(table, effects.updates), len(effects.updates)
    if effects.inserts:
        yield f"c{index}", insert_images(table, effects.inserts), len(effects.inserts)


def delete_places(table: Table, rows: Iterable[Removed]) -> str:
    """Return the DELETE of row versions by their place."""
    places = ",".join(literal(row.at) for row in rows)
    return f"DELETE FROM {table.name} WHERE ctid = ANY(ARRAY[{places}]::pg_catalog.tid[])"


def _update(table: Table, rows: Sequence[tuple[Removed, Made]]) -> str:
    values = ",".join(
        f"({literal(old.at)}::pg_catalog.tid,{literal(new.image)}::{table.name})" for old, new in rows
    )
    targets = ",".join(table.updatable)
    sources = ",".join(f"(v.r).{column}" for column in table.updatable)
    return f"UPDATE {table.name} o SET ({targets}) = ROW({sources}) FROM (VALUES {values}) v(at, r) WHERE o.ctid = v.at"


def insert_images(table: Table, rows: Iterable[Made]) -> str:
    """Return the INSERT of whole rows from their text."""
    values = ",".join(f"({literal(row.image)}::{table.name})" for row in rows)
    columns = ",".join(table.columns)
    sources = ",".join(f"(v.r).{column}" for column in table.columns)
    return f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {sources} FROM (VALUES {values}) v(r)"


def permuted(effects: Effects) -> list[str]:
    """Return statements for when unique values changed places among rows, so that no order of updates works.

    With foreign keys switched off, the old versions of all updated rows go and the new ones come; switched on again,
    each new row is updated to itself, which makes PostgreSQL check it as it checks any row made by this transaction.
    """
    rest = _without_updates(effects)
    writer = as_writer(each.table for each in effects.tables).rstrip("; ")
    superuser = AS_SUPERUSER.rstrip("; ")
    found = [superuser, "SET LOCAL session_replication_role = replica", writer]
    for each in effects.tables:
        if each.updates:
            found.append(delete_places(each.table, [old for old, _ in each.updates]))
            found.append(insert_images(each.table, [new for _, new in each.updates]))
    found += [superuser, "SET LOCAL session_replication_role = origin", writer]
    other = statement(rest)
    if other is not None:
        found.append(other)
    found += [_touch(each.table, [new for _, new in each.updates]) for each in effects.tables if each.updates]
    return found


def _without_updates(effects: Effects) -> Effects:
    from local_dsql.occ.effects import Effects as Kind
    from local_dsql.occ.effects import TableEffects

    tables = tuple(TableEffects(each.table, each.deletes, (), each.inserts) for each in effects.tables)
    return Kind(tables, effects.encoding)


def _touch(table: Table, rows: Iterable[Made]) -> str:
    column = table.updatable[0]
    identities = ",".join(literal(row.identity) for row in rows)
    return f"UPDATE {table.name} SET {column} = {column} WHERE {table.identity} = ANY(ARRAY[{identities}])"
