"""INSERT … ON CONFLICT on rows that others have updated or deleted since the snapshot.

PostgreSQL raises 40001 for an updated row, and inserts in place of a deleted one. That row may then cause any error:
of a foreign key, another index, or an expression in RETURNING. The snapshot gives the answer:

1. The INSERT runs without ON CONFLICT and RETURNING, and without the indexes and the foreign keys of the table. Where
   it fails, it fails by any snapshot.
2. A row that it makes may have a *twin*: a visible row with the same key in an index of the clause. DO NOTHING skips
   such a row. DO UPDATE skips it if others have changed the twin, and its WHERE clause is false for the two rows.
3. The rows and these twins are read, and the INSERT is undone.
4. If the clause is true for a row and a twin that others have changed, that is a conflict, unless a row in front of it
   fails. Pairs whose twin others have not changed do not count: PostgreSQL finds these twins itself.
5. The client's statement runs again on the rows that are not skipped, as any statement does.

It is no conflict that others have changed the twin of a row that is skipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.answers import Answer, Finding, passed_on, real, reframed, refused
from local_dsql.engine.commands import (
    Parameter,
    elements,
    empty_array,
    encode,
    first_error,
    parse_places,
    picked,
    results,
)
from local_dsql.engine.duplicates import lacks_freed_keys, may_have_freed, rows_left, unseen_duplicates
from local_dsql.engine.error_causes import may_upsert, run_rows_only
from local_dsql.engine.errors import CONCURRENT, CONFLICT, SERIALIZATION_FAILURE, VIOLATIONS
from local_dsql.engine.newer_rows import has_moved
from local_dsql.engine.powers import read_images, read_twins, write_rows
from local_dsql.engine.requests import executed_portal, free_parameter, with_text
from local_dsql.engine.suspend import tables_of
from local_dsql.engine.upsert_conditions import Proposed, Upsert, first_updated
from local_dsql.engine.upsert_texts import (
    before,
    proposes_one_row,
    qualified,
    target_columns,
    target_relation,
    writes_in_with,
)
from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dsql_dialect import Statement
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
_NO_MORE: Frame = (BackendMessage.COMMAND_COMPLETE, messages.command_complete("INSERT 0 0"))
"""The answer to another Execute of a portal that has returned all rows."""
_ROWS = (BackendMessage.ROW_DESCRIPTION,)
"""The only frame of these that a Query has."""


@dataclass(frozen=True, slots=True)
class Rest:
    """An upsert without the rows that the snapshot skips.

    `told` is PostgreSQL's answer to the whole one, which begins with the frames that the client expects.
    """

    request: Request
    whole: Request
    told: Response

    def answer(self, held: HeldSession, found: Answer) -> Answer:
        """Return the answer to the client, and keep the rows behind the row limit of its Execute, if it has one."""
        if found.error is not None:
            return reframed(found, _only_error(found).frames)
        described, kinds = (found, _ROWS) if self.whole.simple else (self.told, _BEGINNING)
        beginning = [frame for frame in described.frames if frame[0] in kinds]
        rows = [frame for frame in found.frames if frame[0] == BackendMessage.DATA_ROW]
        end = [frame for frame in found.frames if frame[0] == BackendMessage.COMMAND_COMPLETE]
        portal, limit = executed_portal(self.whole)
        if limit:
            rows = list(FrameReader().feed(b"".join(raw for _, raw in rows)))  # a frame may have many rows
        if not limit or len(rows) < limit:
            if not self.whole.simple and any(frame[0] in _ROWS for frame in found.frames):
                held.session.portals.keep(portal, [_NO_MORE])
            return reframed(found, [*beginning, *rows, *end])
        held.session.portals.keep(portal, [*rows[limit:], *end])
        stop: Frame = (BackendMessage.PORTAL_SUSPENDED, messages.SUSPENDED)
        return reframed(found, [*beginning, *rows[:limit], stop])


@dataclass(frozen=True, slots=True)
class StaleUpdate:
    """An upsert that updates a row that others have changed: a conflict, unless an earlier row fails by the snapshot.

    `before` has the rows in front of it, None if they cannot run alone.
    """

    before: Rest | None


def is_upsert(request: Request) -> bool:
    """Return whether a statement is an INSERT with an ON CONFLICT clause."""
    return request.statement is not None and request.statement.on_conflict is not None


async def may_differ(held: HeldSession, request: Request, told: Response) -> bool:
    """Return whether the snapshot may give another answer to an upsert than PostgreSQL.

    PostgreSQL does not find the row that the clause is about if others have freed its key. It inserts another one,
    which may cause any error. After an error the transaction is at its guard.
    """
    transaction = held.transaction
    if transaction.doomed is not None:
        return False
    if (error := told.error) is not None and error["C"] == SERIALIZATION_FAILURE:
        return True
    if not has_moved(held):
        return False
    newer = await held.services.log.newer(transaction)
    if error is None:
        return await unseen_duplicates(held, newer, transaction.checked) is not None
    if not newer.files_with_removed():
        return False
    await held.ask(savepoints.TO_GUARD)
    assert request.statement is not None
    table = await target_table(held, request.statement)
    return table is None or may_have_freed(held, newer, table.file)


async def may_be_nested(held: HeldSession, request: Request, error: Mapping[str, str]) -> bool:
    """Return whether an error may come from a row that an upsert inside of the statement has inserted.

    As `may_differ`, but the upsert cannot run without the row.
    """
    if is_upsert(request) or not has_moved(held):
        return False
    newer = await held.services.log.newer(held.transaction)
    if not newer.files_with_removed() or not await may_upsert(held, request.statement):
        return False
    return error["C"] not in VIOLATIONS or await lacks_freed_keys(held, error)


async def settle(held: HeldSession, request: Request, told: Response) -> Rest | Answer | StaleUpdate | None:
    """Return what the snapshot leaves of an upsert, or the answer to it: an error that it has by any snapshot.

    None: the snapshot gives no answer; the upsert has another form, writes into other tables, too, or has a source that
    sees the rows that it inserts. The transaction must be at its guard, and is there again. `told` is PostgreSQL's own
    answer.
    """
    try:
        return await _settle(held, request, told)
    finally:
        await held.ask(savepoints.TO_GUARD)


async def _settle(held: HeldSession, request: Request, told: Response) -> Rest | Answer | StaleUpdate | None:
    upsert = await _read(held, request, told)
    if not isinstance(upsert, Upsert):
        return upsert
    made = await _run_source(held, upsert)
    if made is None or isinstance(made, Answer):
        return made
    proposed = await _read_proposed(held, upsert, made, told)
    if proposed is None or isinstance(proposed, Answer):
        return proposed
    await held.ask(savepoints.TO_GUARD)
    updated = await first_updated(held, upsert, proposed)
    kept = [number for number in proposed.kept if updated is None or number < updated]
    rest = await _rest(held, upsert, picked(proposed.images, kept), told)
    return rest if updated is None else StaleUpdate(rest)


async def _run_source(held: HeldSession, upsert: Upsert) -> Sequence[Place] | Answer | None:
    """Return the rows that the INSERT makes without its clause; they are there afterwards."""
    statement, table, catalog = upsert.statement, upsert.table, held.services.catalog
    source = before(statement, upsert.clause.offset)
    keep = held.sees_current_catalog
    sees = await catalog.may_see_new_rows(held, statement, source, keep=keep)
    if writes_in_with(statement) or (sees and not proposes_one_row(statement)):
        return None
    proposed = with_text(upsert.request, source, held.backend.encoding)
    if proposed is None:
        return None
    position, answer = await run_rows_only(held, proposed, table)
    if answer.error is not None:
        certain = answer.error["C"] not in CONCURRENT
        return real(_only_error(answer), Finding.BY_SNAPSHOT) if certain else None
    changes = (await held.services.log.operations(held.backend.pid)).since(position).changes()
    written = {file for file in await tables_of(held, changes) if changes[file].made or changes[file].deletes}
    own = changes[table.file] if table.file in written else None
    if written - {table.file} or (own is not None and (own.updates or own.deletes)):
        return None
    made = own.inserts if own is not None else ()
    return None if sees and len(made) > 1 else made


def _only_error(answer: Response) -> Response:
    return Response(
        [frame for frame in answer.frames if frame[0] == BackendMessage.ERROR_RESPONSE], answer.status
    )


def _as_told(told: Response) -> Answer:
    """Return the answer to an upsert that fails by any snapshot before it makes a row."""
    return refused(CONFLICT) if told.error is None else passed_on(told)


async def _read(held: HeldSession, request: Request, told: Response) -> Upsert | Answer | None:
    statement = request.statement
    if statement is None or statement.on_conflict is None:
        return None
    clause, relation = statement.on_conflict, target_relation(statement)
    table = await target_table(held, statement)
    names_target = clause.columns != () or clause.constraint is not None
    plan: Mapping[str, Sequence[str]] = {}
    is_view = table is None
    if is_view or names_target:
        sql = f"EXPLAIN (VERBOSE, FORMAT JSON) {statement.backend_sql}"
        explained = with_text(request, sql, held.backend.encoding, as_text=True)
        if explained is None:
            return None
        (answer,) = await held.ask(explained.data)
        if answer.error is not None:
            return _as_told(told)
        ((found,),) = answer.rows()
        plan = json.loads(str(found))[0]["Plan"]
    if is_view and "Relation Name" in plan:
        keep = held.sees_current_catalog
        names = str(plan.get("Schema")), str(plan["Relation Name"])
        table = await held.services.catalog.named(held, *names, keep=keep)
    if table is None:
        return None
    arbiters: Sequence[UniqueIndex] = table.unique
    if names_target:
        named = plan.get("Conflict Arbiter Indexes", ())
        arbiters = [index for index in table.unique if index.name in named]
    return Upsert(request, statement, clause, relation, is_view, table, tuple(arbiters))


async def target_table(held: HeldSession, statement: Statement) -> Table | None:
    """Return the table that an INSERT names, None if it is a view."""
    relation = target_relation(statement)
    return await held.services.catalog.mentioned(
        held, relation.get("schemaname"), relation["relname"], keep=held.sees_current_catalog
    )


async def _read_proposed(
    held: HeldSession, upsert: Upsert, made: Sequence[Place], told: Response
) -> Proposed | Answer | None:
    """Return the rows made, and those of them that the snapshot does not skip without a look at the WHERE clause."""
    token, table, arbiters = held.services.token, upsert.table, upsert.arbiters
    if not made:
        return Proposed(empty_array(table.array_type, table.row_type), ())
    if upsert.clause.updates:
        return await _read_updated(held, upsert, made, told)
    found = await held.run([write_rows(token, table, table.delete_twins(index), made) for index in arbiters])
    if first_error(found) is not None:  # a key cannot be computed
        return _as_told(told)
    left = await rows_left(held, table)
    images = await _read_images(held, table, [place for place in made if place in left])
    return None if images is None else Proposed(images, range(len(elements(images))))


async def _read_updated(
    held: HeldSession, upsert: Upsert, made: Sequence[Place], told: Response
) -> Proposed | Answer | None:
    """Return the rows made by an upsert with DO UPDATE, with the twins that others have changed."""
    token, table, arbiters = held.services.token, upsert.table, upsert.arbiters
    if table.runs_code and not all(index.of_columns for index in arbiters):
        return None
    found = await held.run([read_twins(token, table, index, made) for index in arbiters])
    if first_error(found) is not None:
        return _as_told(told)
    gone = frozenset((await held.services.log.newer(held.transaction)).gone(table.file))
    numbers = {place: number for number, place in enumerate(made)}
    stale: list[tuple[int, Place]] = []
    for result in found:
        places = parse_places(result.rows[0][0])
        half = len(places) // 2
        pairs = zip(places[:half], places[half:], strict=True)
        stale += [(numbers[mine], twin) for mine, twin in pairs if twin in gone]
    stale.sort()
    images = await _read_images(held, table, [*made, *(twin for _, twin in stale)])
    skipped = {number for number, _ in stale}
    kept = [number for number in range(len(made)) if number not in skipped]
    if images is None:
        return None
    return Proposed(images, kept, [number for number, _ in stale], [twin for _, twin in stale])


async def _read_images(held: HeldSession, table: Table, at: Sequence[Place]) -> Parameter | None:
    """Return the images of rows in the client's encoding, in which they are sent back; None if that lacks a letter."""
    if not at:
        return empty_array(table.array_type, table.row_type)
    (read,) = await held.ask(encode([read_images(held.services.token, table, at)]))
    (images,) = results(read)
    return None if images.error is not None else Parameter(table.array_type, images.rows[0][0])


async def _rest(held: HeldSession, upsert: Upsert, rows: Parameter, told: Response) -> Rest | None:
    """Return an upsert of some of its rows."""
    columns = await target_columns(held, upsert.statement, upsert.table)
    if not columns:
        return None
    sql, number = upsert.statement.backend_sql.encode(), free_parameter(upsert.statement.backend_sql)
    names = ", ".join(map(identifier, columns))
    values = ", ".join(f"local_dsql_row.{identifier(each)}" for each in columns.values())
    target = qualified(upsert.relation) + (f" AS {upsert.alias}" if upsert.alias is not None else "")
    text = (
        f"{before(upsert.statement, upsert.relation['location'])}{target} ({names}) OVERRIDING SYSTEM VALUE"
        f" SELECT {values} FROM pg_catalog.unnest(${number}) local_dsql_row"
        f" {sql[upsert.clause.offset :].decode()}"
    )
    rest = with_text(upsert.request, text, held.backend.encoding, rows)
    if rest is None:
        return None
    rest = replace(rest, arbiters=frozenset(index.oid for index in upsert.arbiters))
    return Rest(rest, upsert.request, told)
