"""INSERT … ON CONFLICT on rows that others have updated or deleted since the snapshot.

PostgreSQL raises 40001 for an updated row, and inserts in place of a deleted one. The snapshot gives the answer:

1. The INSERT runs without its ON CONFLICT clause, with the clause's indexes switched off.
2. For each row that it makes, a query finds its *twin*: the visible row with the same key, if any.
3. DO NOTHING skips a row with a twin, and so does DO UPDATE if its WHERE clause is false for the twin. Skipped rows are
   deleted again; it is no conflict that others have updated their twins.
4. DO UPDATE of a twin that others have changed is a conflict, also if another row of the statement has that twin.
5. The transaction is suspended and resumed, which makes the remaining rows again with the indexes on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from local_dsql.engine import savepoints
from local_dsql.engine.answers import refused, succeeded
from local_dsql.engine.commands import first_error, read_places
from local_dsql.engine.error_causes import run_without
from local_dsql.engine.errors import CONFLICT, EngineError
from local_dsql.engine.powers import read_places as read_places_command
from local_dsql.engine.powers import write_rows
from local_dsql.engine.requests import with_text
from local_dsql.engine.resume import resume
from local_dsql.engine.suspend import suspend, tables_of
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsql_dialect import Statement
    from dsql_dialect.statement import OnConflict
    from local_dsql.engine.answers import Answer
    from local_dsql.engine.commands import Command, Result
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.write_ahead_log.operations import Place

_BEGINNING = (
    BackendMessage.PARSE_COMPLETE,
    BackendMessage.BIND_COMPLETE,
    BackendMessage.NO_DATA,
    BackendMessage.ROW_DESCRIPTION,
)


@dataclass(frozen=True, slots=True)
class _Upsert:
    """An upsert, its table, and the indexes that its clause names."""

    request: Request
    statement: Statement
    clause: OnConflict
    table: Table
    arbiters: tuple[UniqueIndex, ...]


def is_upsert(request: Request) -> bool:
    """Return whether a statement is an INSERT with an ON CONFLICT clause."""
    return request.statement is not None and request.statement.on_conflict is not None


async def answer_by_snapshot(held: HeldSession, request: Request, told: Response) -> Response | None:
    """Return the answer to an upsert that by the snapshot updates no row; None if it is a conflict.

    The transaction must be at its guard, and is there again if the answer is None. Otherwise the rows without a twin
    are inserted, and newer rows may have made the transaction doomed. `told` is PostgreSQL's own answer, which begins
    with the same frames.
    """
    upsert = await _read(held, request)
    answer = await _insert(held, upsert, told) if upsert is not None else None
    if answer is None and is_upsert(request):
        await held.ask(savepoints.TO_GUARD)
    return answer


async def settle_duplicate(held: HeldSession, request: Request, told: Response) -> Answer | None:
    """Return the answer to an upsert with a duplicate that by the snapshot meets a row that others have changed since.

    PostgreSQL does not see that row, and reports the key of another index. None: there is no such row. The transaction
    must be at its guard, and is there again afterwards.
    """
    upsert = await _read(held, request)
    if upsert is None:
        return None
    gone = set((await held.services.log.newer(held.transaction)).gone(upsert.table.file))
    plain = with_text(request, upsert.statement.without_on_conflict()) if gone else None
    if plain is None:
        return None
    position, answer = await run_without(held, plain, upsert.table.unique)
    try:
        if answer.error is not None:
            return None
        changes = (await held.services.log.operations(held.backend.pid)).since(position).changes()
        made = changes[upsert.table.file].inserts if upsert.table.file in changes else []
        if gone.isdisjoint(await _places_of_twins(held, upsert, made)):
            return None
        skips = not upsert.clause.updates and await _without_twin(held, upsert, made) == []
        nothing = _answer(answer, told, [False] * len(made)) if skips else None
        return refused(CONFLICT) if nothing is None else succeeded(nothing)
    finally:
        await held.ask(savepoints.TO_GUARD)


async def _places_of_twins(held: HeldSession, upsert: _Upsert, made: list[Place]) -> list[Place]:
    token, table = held.services.token, upsert.table
    if table.runs_code:
        return []
    commands = [
        read_places_command(
            token, table, table.twin_places(index), [place, *(each for each in made if each != place)]
        )
        for place in made
        for index in upsert.arbiters
    ]
    return [place for result in await _run(held, commands) for place in read_places(result.rows[0][0])]


async def _read(held: HeldSession, request: Request) -> _Upsert | None:
    statement = request.statement
    if statement is None or statement.on_conflict is None:
        return None
    clause, table = statement.on_conflict, await target_table(held, statement)
    if table is None or (clause.updates and table.runs_code):
        return None
    arbiters: Sequence[UniqueIndex] = table.unique
    if clause.columns != () or clause.constraint is not None:
        explained = with_text(request, f"EXPLAIN (FORMAT JSON) {statement.backend_sql}")
        names = await _arbiters(held, explained) if explained is not None else ()
        arbiters = [index for index in table.unique if index.name in names]
    return _Upsert(request, statement, clause, table, tuple(arbiters)) if arbiters else None


async def _arbiters(held: HeldSession, explained: Request) -> Sequence[str]:
    """Return the names of the indexes that the ON CONFLICT clause names."""
    (answer,) = await held.ask(explained.data)
    if answer.error is not None:
        return ()
    (plan,) = json.loads(str(answer.rows()[0][0]))
    names: Sequence[str] = plan["Plan"].get("Conflict Arbiter Indexes", ())
    return names


async def target_table(held: HeldSession, statement: Statement) -> Table | None:
    """Return the table that an INSERT names."""
    (tree,) = libpg_query.parse(statement.backend_sql.encode())
    relation = tree["stmt"]["InsertStmt"]["relation"]
    return await held.services.catalog.mentioned(held, relation.get("schemaname"), relation["relname"])


async def _insert(held: HeldSession, upsert: _Upsert, told: Response) -> Response | None:
    """Insert the rows without a twin and return the answer; None if a row must be updated, or the answer is unknown."""
    plain = with_text(upsert.request, upsert.statement.without_on_conflict())
    if plain is None:
        return None
    position, answer = await run_without(held, plain, upsert.arbiters)
    if answer.error is not None:
        return None
    changes = (await held.services.log.operations(held.backend.pid)).since(position).changes()
    table = upsert.table
    written = {file for file in await tables_of(held, changes) if changes[file].made or changes[file].deletes}
    if written - {table.file} or (written and changes[table.file].updates):
        return None
    made = changes[table.file].inserts if written else []
    kept = await _without_twin(held, upsert, made)
    if kept is None:
        return None
    skipped = [place for place in made if place not in kept]
    token = held.services.token
    if skipped:
        await _run(held, [write_rows(token, table, table.delete, skipped)])
    by_snapshot = _answer(answer, told, [place in kept for place in made])
    if by_snapshot is not None and kept:
        await suspend(held)
        await resume(held)
        held.transaction.uncounted -= len(kept)  # they are restored like earlier changes, and not counted yet
    elif by_snapshot is not None:
        await held.ask(savepoints.TO_GUARD)
    return by_snapshot


async def _without_twin(held: HeldSession, upsert: _Upsert, made: list[Place]) -> list[Place] | None:
    """Return those of the rows made that have no twin; None if a twin must be updated."""
    candidates = []
    for place in made:
        others = [each for each in made if each != place]
        if not await _twins(held, upsert, [place, *others]):
            candidates.append(place)
        elif upsert.clause.updates and not await _is_skipped(held, upsert, [place, *others]):
            return None
    kept: list[Place] = []
    for place in candidates:
        hidden = [each for each in made if each != place and each not in kept]
        if kept and await _twins(held, upsert, [place, *hidden]):
            if upsert.clause.updates:
                return None
            continue
        kept.append(place)
    return kept


async def _twins(held: HeldSession, upsert: _Upsert, at: list[Place]) -> bool:
    """Return whether the first row has a twin among the other visible rows."""
    token, table = held.services.token, upsert.table
    found = await _run(held, [write_rows(token, table, table.twins(index), at) for index in upsert.arbiters])
    return any(result.number for result in found)


async def _is_skipped(held: HeldSession, upsert: _Upsert, at: list[Place]) -> bool:
    """Return whether the WHERE clause of DO UPDATE is false for every twin of the first row."""
    token, table = held.services.token, upsert.table
    condition = update_condition(upsert.statement)
    if condition is None:
        return False
    commands = [read_places_command(token, table, table.twin_places(each), at) for each in upsert.arbiters]
    for result in await _run(held, commands):
        for twin in read_places(result.rows[0][0]):
            if await _is_true(held, upsert, condition, at[0], twin):
                return False
    return True


async def _is_true(held: HeldSession, upsert: _Upsert, condition: str, made: Place, twin: Place) -> bool:
    """Return whether a condition is true for a proposed row and its twin, or cannot be evaluated, with the client's
    rights."""
    (tree,) = libpg_query.parse(upsert.statement.backend_sql.encode())
    relation = tree["stmt"]["InsertStmt"]["relation"]
    alias = relation.get("alias", {}).get("aliasname", relation["relname"])
    name = upsert.table.name
    asked = with_text(
        upsert.request,
        f"SELECT FROM ONLY {name} AS {identifier(alias)} JOIN ONLY {name} AS excluded"
        f" ON excluded.ctid = {_literal(made)} WHERE {identifier(alias)}.ctid = {_literal(twin)} AND ({condition}\n)",
    )
    if asked is None:
        return True
    (answer,) = await held.ask(asked.data)
    if answer.error is not None:
        return True
    return answer.tags != ["SELECT 0"]


def _literal(place: Place) -> str:
    return f"'({place.block},{place.offset})'::pg_catalog.tid"


def update_condition(statement: Statement) -> str | None:
    """Return the text of the WHERE clause of DO UPDATE, None if there is none."""
    assert statement.on_conflict is not None
    sql = statement.backend_sql.encode()
    start, depth, updates, last = None, 0, False, ""
    base = statement.on_conflict.offset
    end = len(sql)
    for token in libpg_query.scan(sql[base:]):
        depth += (token.word in ("(", "[")) - (token.word in (")", "]"))
        if depth == 0:
            updates |= token.word == "SET"
            if token.word == "WHERE" and updates and start is None:
                start = base + token.end
            if token.word == "RETURNING" and last != ".":
                end = base + token.start
                break
        last = token.word
    return sql[start:end].decode() if start is not None else None


def _answer(plain: Response, told: Response, kept: list[bool]) -> Response | None:
    """Return the answer without the rows that were skipped; None if it does not have one row for each row made."""
    rows = [frame for frame in plain.frames if frame[0] == BackendMessage.DATA_ROW]
    if rows and len(rows) != len(kept):
        return None
    beginning = [frame for frame in told.frames if frame[0] in _BEGINNING]
    beginning = beginning or [frame for frame in plain.frames if frame[0] == BackendMessage.ROW_DESCRIPTION]
    tag = (BackendMessage.COMMAND_COMPLETE, messages.command_complete(f"INSERT 0 {sum(kept)}"))
    shown = [row for row, keeps in zip(rows, kept, strict=False) if keeps]
    return Response([*beginning, *shown, tag], messages.IN_TRANSACTION)


async def _run(held: HeldSession, commands: list[Command]) -> list[Result]:
    found = await held.run(commands)
    if (error := first_error(found)) is not None:
        raise EngineError(error)
    return found
