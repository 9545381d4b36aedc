"""INSERT … ON CONFLICT on rows that others have updated or deleted since the snapshot.

PostgreSQL raises 40001 for an updated row, and inserts in place of a deleted one. The snapshot gives the answer:

1. The INSERT runs without its ON CONFLICT clause, with all unique indexes of the table switched off.
2. A row that it makes may have a *twin*: a visible row with the same key in an index of the clause. DO NOTHING skips
   such a row, and one with the key of a row made before it. DO UPDATE skips it if its WHERE clause is false for the
   twin. Skipped rows are deleted again; it is no conflict that others have changed their twins.
3. DO UPDATE of a twin that others have changed is a conflict, also if another row of the statement has that twin.
4. A row that stays and has the key of a visible row in any other unique index is an error.
5. The transaction is suspended and resumed, which makes the remaining rows again with the indexes on.

Each step is one command for all rows, and the log shows which rows it has deleted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from local_dsql.engine import savepoints
from local_dsql.engine.answers import Answer, refused, succeeded
from local_dsql.engine.commands import read_places, run_checked
from local_dsql.engine.deferred_checks import check_references
from local_dsql.engine.duplicates import first_duplicate, rows_left, violation
from local_dsql.engine.error_causes import run_without
from local_dsql.engine.errors import CONFLICT, FOREIGN_KEY_VIOLATION, SERIALIZATION_FAILURE
from local_dsql.engine.powers import read_places as read_places_command
from local_dsql.engine.powers import write_rows
from local_dsql.engine.requests import executed_portal, with_text
from local_dsql.engine.resume import resume
from local_dsql.engine.suspend import suspend, tables_of
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dsql_dialect import Statement
    from dsql_dialect.statement import OnConflict
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.wire.frames import Frame
    from local_dsql.write_ahead_log.operations import Place

_BEGINNING = (
    BackendMessage.PARSE_COMPLETE,
    BackendMessage.PARAMETER_DESCRIPTION,
    BackendMessage.BIND_COMPLETE,
    BackendMessage.NO_DATA,
    BackendMessage.ROW_DESCRIPTION,
)
_OF_REFERENCES = (FOREIGN_KEY_VIOLATION, SERIALIZATION_FAILURE)
"""Errors of the check of a foreign key: there is no parent, or others have removed it."""
_MOST_ROUNDS = 50
"""Rounds in which the rows are found that repeat keys of others of the statement. One is enough unless a row repeats
one key of a row that is skipped for another key. After 50 the client gets a conflict, which it can retry."""


class Unsettled(Enum):
    """The reason why the snapshot gives no answer to an upsert."""

    STALE_UPDATE = auto()
    """It updates a row that others have changed."""
    UPDATE = auto()
    """It updates rows that others have not changed."""
    UNKNOWN = auto()
    """It has another form, or its INSERT fails."""


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


async def may_upsert(held: HeldSession, request: Request) -> bool:
    """Return whether a statement may run an INSERT … ON CONFLICT anywhere: in a CTE, a DO, or a call of a function."""
    statement = request.statement
    if statement is None or statement.node == "Do":
        return statement is None or "conflict" in statement.backend_sql.lower()
    if any(token.word == "CONFLICT" for token in libpg_query.scan(statement.backend_sql.encode())):
        return True
    keep = not held.transaction.changes_catalog
    upserting = await held.services.catalog.upserting_functions(held, keep=keep)
    return bool(upserting if not statement.is_dml else upserting & statement.functions)


async def settle(held: HeldSession, request: Request, told: Response) -> Answer | Unsettled:
    """Return the answer to an upsert that by the snapshot updates no row.

    The transaction must be at its guard, and is there again if there is no answer. Otherwise the rows without a twin
    are inserted, and newer rows may have made the transaction doomed. `told` is PostgreSQL's own answer, which begins
    with the same frames.
    """
    upsert = await _read(held, request)
    if upsert is None:
        return Unsettled.UNKNOWN
    settled = await _insert(held, upsert, told)
    if isinstance(settled, Unsettled):
        await held.ask(savepoints.TO_GUARD)
    return settled


async def _read(held: HeldSession, request: Request) -> _Upsert | None:
    statement = request.statement
    if statement is None or statement.on_conflict is None:
        return None
    clause, table = statement.on_conflict, await target_table(held, statement)
    names_target = clause.columns != () or clause.constraint is not None
    plan = await _plan(held, request, statement) if table is None or names_target else {}
    if table is None and not clause.updates and "Relation Name" in plan:  # through a view
        keep = not held.transaction.changes_catalog
        names = str(plan.get("Schema")), str(plan["Relation Name"])
        table = await held.services.catalog.named(held, *names, keep=keep)
    if table is None or (clause.updates and table.runs_code):
        return None
    arbiters: Sequence[UniqueIndex] = table.unique
    if names_target:
        named = plan.get("Conflict Arbiter Indexes", ())
        arbiters = [index for index in table.unique if index.name in named]
    return _Upsert(request, statement, clause, table, tuple(arbiters)) if arbiters else None


async def _plan(held: HeldSession, request: Request, statement: Statement) -> Mapping[str, Sequence[str]]:
    """Return the properties of an upsert in its plan: its table, and the indexes that its clause names."""
    explained = with_text(request, f"EXPLAIN (VERBOSE, FORMAT JSON) {statement.backend_sql}")
    if explained is None:
        return {}
    (answer,) = await held.ask(explained.data)
    if answer.error is not None:
        await held.ask(savepoints.TO_GUARD)
        return {}
    ((plan,),) = answer.rows()
    found: Mapping[str, Sequence[str]] = json.loads(str(plan))[0]["Plan"]
    return found


async def target_table(held: HeldSession, statement: Statement) -> Table | None:
    """Return the table that an INSERT names."""
    (tree,) = libpg_query.parse(statement.backend_sql.encode())
    relation = tree["stmt"]["InsertStmt"]["relation"]
    return await held.services.catalog.mentioned(held, relation.get("schemaname"), relation["relname"])


async def _insert(held: HeldSession, upsert: _Upsert, told: Response) -> Answer | Unsettled:
    """Insert the rows without a twin and return the answer."""
    plain = with_text(upsert.request, upsert.statement.without_on_conflict())
    if plain is None:
        return Unsettled.UNKNOWN
    table = upsert.table
    position, answer = await run_without(held, plain, table.unique)
    refers = answer.error is None or answer.error["C"] not in _OF_REFERENCES
    if not refers:  # perhaps those of rows that are skipped
        await held.ask(savepoints.TO_GUARD)
        position, answer = await run_without(held, plain, table.unique, table)
    if answer.error is not None:
        return Unsettled.UNKNOWN
    changes = (await held.services.log.operations(held.backend.pid)).since(position).changes()
    written = {file for file in await tables_of(held, changes) if changes[file].made or changes[file].deletes}
    if written - {table.file} or (written and changes[table.file].updates):
        return Unsettled.UNKNOWN
    made = changes[table.file].inserts if written else []
    kept = await _delete_skipped(held, upsert, made)
    if isinstance(kept, Unsettled):
        return kept
    if kept and (duplicate := await first_duplicate(held, table, kept)) is not None:
        return refused(await violation(held, duplicate))
    if kept and not refers and (violated := await check_references(held, table, kept)) is not None:
        return Unsettled.UNKNOWN if violated is CONFLICT else refused(violated)
    staying = frozenset(kept)
    portal, limit = executed_portal(upsert.request)
    by_snapshot = _answer(answer, told, [place in staying for place in made], limit)
    if by_snapshot is None:
        return Unsettled.UNKNOWN
    if kept:
        await suspend(held)
        await resume(held)
        held.transaction.uncounted -= len(kept)  # they are restored like earlier changes, and not counted yet
    else:
        await held.ask(savepoints.TO_GUARD)
    shown, rest = by_snapshot
    if rest:
        held.session.portals.keep(portal, rest)
    return succeeded(shown)


async def _delete_skipped(
    held: HeldSession, upsert: _Upsert, made: Sequence[Place]
) -> Sequence[Place] | Unsettled:
    """Delete those of the rows made that are skipped, and return the others."""
    token, table, arbiters = held.services.token, upsert.table, upsert.arbiters
    if not made:
        return made
    if upsert.clause.updates:
        skipped = await _skipped_updates(held, upsert, made)
        if isinstance(skipped, Unsettled):
            return skipped
        commands = [write_rows(token, table, table.delete, skipped)] if skipped else []
    else:
        commands = [write_rows(token, table, table.delete_twins(index), made) for index in arbiters]
    await run_checked(held, commands)
    repeated = write_rows(token, table, table.delete_repeated(arbiters), made)
    for _ in range(_MOST_ROUNDS):
        (result,) = await run_checked(held, [repeated])
        if result.number == 0:
            left = await rows_left(held, table)
            return [place for place in made if place in left]
        if upsert.clause.updates:
            break  # PostgreSQL reports that it cannot update the row a second time
    return Unsettled.UPDATE if upsert.clause.updates else Unsettled.UNKNOWN


async def _skipped_updates(
    held: HeldSession, upsert: _Upsert, made: Sequence[Place]
) -> Sequence[Place] | Unsettled:
    """Return those of the rows made for whose twins the WHERE clause of DO UPDATE is false."""
    token, table = held.services.token, upsert.table
    commands = [read_places_command(token, table, table.twins(each), made) for each in upsert.arbiters]
    mine: list[Place] = []
    twins: list[Place] = []
    for result in await run_checked(held, commands):
        places = read_places(result.rows[0][0])
        mine += places[: len(places) // 2]
        twins += places[len(places) // 2 :]
    condition = update_condition(upsert.statement)
    if not twins or (condition is not None and not await _is_true(held, upsert, condition, mine, twins)):
        return mine
    gone = set((await held.services.log.newer(held.transaction)).gone(table.file))
    return Unsettled.UPDATE if gone.isdisjoint(twins) else Unsettled.STALE_UPDATE


async def _is_true(
    held: HeldSession, upsert: _Upsert, condition: str, mine: Sequence[Place], twins: Sequence[Place]
) -> bool:
    """Return whether a condition is true for a proposed row and its twin, or cannot be evaluated, with the client's
    rights."""
    (tree,) = libpg_query.parse(upsert.statement.backend_sql.encode())
    relation = tree["stmt"]["InsertStmt"]["relation"]
    alias = identifier(relation.get("alias", {}).get("aliasname", relation["relname"]))
    name = upsert.table.name
    asked = with_text(
        upsert.request,
        f"SELECT FROM ROWS FROM (pg_catalog.unnest({_literal(mine)}), pg_catalog.unnest({_literal(twins)}))"
        f" local_dsql_pair(local_dsql_mine, local_dsql_twin) JOIN ONLY {name} AS {alias}"
        f" ON {alias}.ctid = local_dsql_pair.local_dsql_twin JOIN ONLY {name} AS excluded"
        f" ON excluded.ctid = local_dsql_pair.local_dsql_mine WHERE ({condition}\n) LIMIT 1",
    )
    if asked is None:
        return True
    (answer,) = await held.ask(asked.data)
    if answer.error is not None:
        return True
    return answer.tags != ["SELECT 0"]


def _literal(places: Sequence[Place]) -> str:
    texts = ",".join(f'"({place.block},{place.offset})"' for place in places)
    return f"'{{{texts}}}'::pg_catalog.tid[]"


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


def _answer(
    plain: Response, told: Response, kept: Sequence[bool], limit: int
) -> tuple[Response, list[Frame]] | None:
    """Return the answer without the rows that were skipped, up to a row limit, and the rest of it behind that.

    None: the INSERT has not returned one row for each row made.
    """
    rows = [frame for frame in plain.frames if frame[0] == BackendMessage.DATA_ROW]
    if rows and len(rows) != len(kept):
        return None
    beginning = [frame for frame in told.frames if frame[0] in _BEGINNING]
    beginning = beginning or [frame for frame in plain.frames if frame[0] == BackendMessage.ROW_DESCRIPTION]
    tag = (BackendMessage.COMMAND_COMPLETE, messages.command_complete(f"INSERT 0 {sum(kept)}"))
    shown = [row for row, keeps in zip(rows, kept, strict=False) if keeps]
    if not limit or len(shown) < limit:
        return Response([*beginning, *shown, tag], messages.IN_TRANSACTION), []
    stop = (BackendMessage.PORTAL_SUSPENDED, messages.SUSPENDED)
    return Response([*beginning, *shown[:limit], stop], messages.IN_TRANSACTION), [*shown[limit:], tag]
