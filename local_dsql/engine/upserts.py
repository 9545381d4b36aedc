"""INSERT … ON CONFLICT DO NOTHING over rows that others have updated or deleted since the snapshot.

PostgreSQL raises 40001 over an updated row, and inserts over a deleted one. By the snapshot the answer is known: the
INSERT is run without its ON CONFLICT clause, with the clause's indexes switched off, in a savepoint that is undone.
If each row that it makes has a twin which the snapshot shows, the statement inserts nothing, and nothing conflicts.

DO UPDATE of such a row is a conflict, since it writes what others have written. It is taken for one also where its
WHERE clause is false for the row of the snapshot.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from local_dsql.engine import savepoints
from local_dsql.engine.commands import first_error
from local_dsql.engine.error_causes import run_without
from local_dsql.engine.errors import EngineError
from local_dsql.engine.powers import write_rows
from local_dsql.engine.requests import Request, retold
from local_dsql.engine.suspend import tables_of
from local_dsql.wire import messages
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from dsql_dialect.rule import Node
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.write_ahead_log.changes import TableChanges

_NOTHING_INSERTED = (b"C", messages.command_complete("INSERT 0 0"))


def is_upsert(request: Request) -> bool:
    """Return whether a statement is an INSERT with an ON CONFLICT clause."""
    return request.statement is not None and _clause(request.statement) is not None


async def inserts_nothing(held: HeldSession, request: Request, told: Response) -> Response | None:
    """Return the answer to an upsert that by the snapshot inserts nothing, None if it is a conflict.

    The transaction must be at its guard, and is there again afterwards. `told` is PostgreSQL's own answer, whose
    beginning is the same.
    """
    statement = request.statement
    clause = _clause(statement) if statement is not None else None
    if statement is None or clause is None or clause["action"] != "ONCONFLICT_NOTHING":
        return None
    if request.simple and "RETURNING" in statement.text.upper():
        return None  # PostgreSQL describes the result only once it has rows
    plain = retold(request, without_clause(statement.backend_sql, clause))
    explained = retold(request, f"EXPLAIN (FORMAT JSON) {statement.backend_sql}")
    if plain is None or explained is None:
        return None
    arbiters = await _arbiters(held, explained) if "infer" in clause else None
    try:
        settled = await _has_twins(held, plain, arbiters)
    finally:
        await held.ask(savepoints.TO_GUARD)
    if not settled:
        return None
    beginning = [frame for frame in told.frames if frame[0] in (b"1", b"2", b"n", b"T")]
    return Response([*beginning, _NOTHING_INSERTED], messages.IN_TRANSACTION)


def without_clause(sql: str, clause: Node) -> str:
    """Return an INSERT without its ON CONFLICT clause, which ends before RETURNING."""
    data = sql.encode()
    start, end, depth = clause["location"], len(data), 0
    for token in libpg_query.scan(data):
        depth += (token.text == "(") - (token.text == ")")
        if token.start > start and depth == 0 and token.word == "RETURNING":
            end = token.start
            break
    return (data[:start] + data[end:]).decode()


def _clause(statement: Statement) -> Node | None:
    if not statement.inserts:
        return None
    (tree,) = libpg_query.parse(statement.backend_sql.encode())
    clause: Node | None = tree["stmt"].get("InsertStmt", {}).get("onConflictClause")
    return clause


async def _arbiters(held: HeldSession, explained: Request) -> frozenset[str]:
    """Return the names of the indexes that the ON CONFLICT clause names."""
    (answer,) = await held.ask(explained.data)
    if answer.error is not None:
        return frozenset()
    (plan,) = json.loads(str(answer.rows()[0][0]))
    return frozenset(plan["Plan"].get("Conflict Arbiter Indexes", ()))


async def _has_twins(held: HeldSession, plain: Request, arbiters: frozenset[str] | None) -> bool:
    """Return whether each row that the INSERT makes has a visible twin by one of the arbiters (None: all indexes)."""
    statement = plain.statement
    assert statement is not None
    table = await target_table(held, statement)
    if table is None:
        return False
    off = [index for index in table.unique if arbiters is None or index.name in arbiters]
    position, answer = await run_without(held, plain, off)
    if answer.error is not None or not off:
        return False
    own = await held.services.log.operations(held.backend.pid)
    return await _all_twins(held, own.since(position).changes(), table, off)


async def target_table(held: HeldSession, statement: Statement) -> Table | None:
    """Return the table that an INSERT names."""
    (tree,) = libpg_query.parse(statement.backend_sql.encode())
    relation = tree["stmt"]["InsertStmt"]["relation"]
    return await held.services.catalog.mentioned(held, relation.get("schemaname"), relation["relname"])


async def _all_twins(
    held: HeldSession, changes: Mapping[int, TableChanges], table: Table, off: list[UniqueIndex]
) -> bool:
    if set(await tables_of(held, changes)) != {table.file}:
        return not changes  # it inserts nothing at all, or writes elsewhere, too
    made = changes[table.file].made
    commands = [
        write_rows(held.services.token, table, table.duplicated(index), [place])
        for place in made
        for index in off
    ]
    found = await held.run(commands)
    if (error := first_error(found)) is not None:
        raise EngineError(dict(error))
    counts = [result.number for result in found]
    return all(any(counts[at : at + len(off)]) for at in range(0, len(counts), len(off)))
