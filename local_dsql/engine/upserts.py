"""INSERT … ON CONFLICT on rows that others have updated or deleted since the snapshot.

PostgreSQL raises 40001 for an updated row, and inserts in place of a deleted one. That row may then cause any error:
of a foreign key, another index, or an expression in RETURNING. The snapshot gives the answer:

1. The INSERT runs without ON CONFLICT and RETURNING, and without the indexes and the foreign keys of the table. Where
   it fails, it fails by any snapshot.
2. A row that it makes may have a *twin*: a visible row with the same key in an index of the clause. DO NOTHING skips
   such a row. DO UPDATE skips it if others have changed the twin, and its WHERE clause is false for the two rows.
3. If the clause is true for a row and a twin that others have changed, that is a conflict. Pairs whose twin others have
   not changed do not count: PostgreSQL finds these twins itself.
4. The rows that are not skipped are read, and the INSERT is undone. The client's statement runs again on these rows
   alone, as any statement does.

It is no conflict that others have changed the twin of a row that is skipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.answers import Answer, Finding, passed_on, real, reframed, refused
from local_dsql.engine.commands import (
    Parameter,
    empty_array,
    encode,
    first_error,
    parse_places,
    results,
)
from local_dsql.engine.duplicates import lacks_freed_keys, may_have_freed, rows_left, unseen_duplicates
from local_dsql.engine.error_causes import may_upsert, run_rows_only
from local_dsql.engine.errors import CONCURRENT, CONFLICT, SERIALIZATION_FAILURE, VIOLATIONS
from local_dsql.engine.newer_rows import has_moved
from local_dsql.engine.powers import read_images, read_places, write_rows
from local_dsql.engine.requests import executed_portal, free_parameter, with_text
from local_dsql.engine.suspend import tables_of
from local_dsql.engine.upsert_texts import (
    before,
    qualified,
    target_columns,
    target_relation,
    update_condition,
    with_clause,
)
from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from dsql_dialect import Statement
    from dsql_dialect.rule import Node
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


class Unsettled(Enum):
    """The reason why the snapshot gives no answer to an upsert."""

    STALE_UPDATE = auto()
    """It updates a row that others have changed."""
    UNKNOWN = auto()
    """It has another form, or writes into other tables, too."""


@dataclass(frozen=True, slots=True)
class _Upsert:
    """An upsert, the relation that its text names (`is_view`: not its table), its table, and its clause's indexes."""

    request: Request
    statement: Statement
    clause: OnConflict
    relation: Node
    is_view: bool
    table: Table
    arbiters: tuple[UniqueIndex, ...]

    @property
    def alias(self) -> str | None:
        """The alias of the relation, None if it has none."""
        name = self.relation.get("alias", {}).get("aliasname")
        return None if name is None else identifier(name)


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


async def settle(held: HeldSession, request: Request, told: Response) -> Rest | Answer | Unsettled:
    """Return what the snapshot leaves of an upsert, or the answer to it: an error that it has by any snapshot.

    The transaction must be at its guard, and is there again. `told` is PostgreSQL's own answer.
    """
    try:
        return await _settle(held, request, told)
    finally:
        await held.ask(savepoints.TO_GUARD)


async def _settle(held: HeldSession, request: Request, told: Response) -> Rest | Answer | Unsettled:
    upsert = await _read(held, request, told)
    if not isinstance(upsert, _Upsert):
        return upsert
    encoding = held.backend.encoding
    proposed = with_text(request, before(upsert.statement, upsert.clause.offset), encoding)
    if proposed is None:
        return Unsettled.UNKNOWN
    table = upsert.table
    position, answer = await run_rows_only(held, proposed, table)
    if answer.error is not None:
        certain = answer.error["C"] not in CONCURRENT
        return real(_only_error(answer), Finding.BY_SNAPSHOT) if certain else Unsettled.UNKNOWN
    changes = (await held.services.log.operations(held.backend.pid)).since(position).changes()
    written = {file for file in await tables_of(held, changes) if changes[file].made or changes[file].deletes}
    if written - {table.file} or (written and changes[table.file].updates):
        return Unsettled.UNKNOWN
    kept = await _without_skipped(held, upsert, changes[table.file].inserts if written else [], told)
    return kept if isinstance(kept, Answer | Unsettled) else await _rest(held, upsert, kept, told)


def _only_error(answer: Response) -> Response:
    return Response(
        [frame for frame in answer.frames if frame[0] == BackendMessage.ERROR_RESPONSE], answer.status
    )


def _as_told(told: Response) -> Answer:
    """Return the answer to an upsert that fails by any snapshot before it makes a row."""
    return refused(CONFLICT) if told.error is None else passed_on(told)


async def _read(held: HeldSession, request: Request, told: Response) -> _Upsert | Answer | Unsettled:
    statement = request.statement
    if statement is None or statement.on_conflict is None:
        return Unsettled.UNKNOWN
    clause, relation = statement.on_conflict, target_relation(statement)
    table = await target_table(held, statement)
    names_target = clause.columns != () or clause.constraint is not None
    plan: Mapping[str, Sequence[str]] = {}
    is_view = table is None
    if is_view or names_target:
        sql = f"EXPLAIN (VERBOSE, FORMAT JSON) {statement.backend_sql}"
        explained = with_text(request, sql, held.backend.encoding)
        if explained is None:
            return Unsettled.UNKNOWN
        (answer,) = await held.ask(explained.data)
        if answer.error is not None:
            return _as_told(told)
        ((found,),) = answer.rows()
        plan = json.loads(str(found))[0]["Plan"]
    if is_view and "Relation Name" in plan:
        keep = not held.transaction.changes_catalog
        names = str(plan.get("Schema")), str(plan["Relation Name"])
        table = await held.services.catalog.named(held, *names, keep=keep)
    if table is None:
        return Unsettled.UNKNOWN
    arbiters: Sequence[UniqueIndex] = table.unique
    if names_target:
        named = plan.get("Conflict Arbiter Indexes", ())
        arbiters = [index for index in table.unique if index.name in named]
    return _Upsert(request, statement, clause, relation, is_view, table, tuple(arbiters))


async def target_table(held: HeldSession, statement: Statement) -> Table | None:
    """Return the table that an INSERT names, None if it is a view."""
    relation = target_relation(statement)
    return await held.services.catalog.mentioned(held, relation.get("schemaname"), relation["relname"])


async def _without_skipped(
    held: HeldSession, upsert: _Upsert, made: Sequence[Place], told: Response
) -> Sequence[Place] | Answer | Unsettled:
    """Return those of the rows made that the snapshot does not skip."""
    token, table, arbiters = held.services.token, upsert.table, upsert.arbiters
    if not made:
        return made
    if upsert.clause.updates:
        if table.runs_code:
            return Unsettled.UNKNOWN
        skipped = await _skipped_updates(held, upsert, made, told)
        if isinstance(skipped, Answer | Unsettled):
            return skipped
        return [place for place in made if place not in skipped]
    found = await held.run([write_rows(token, table, table.delete_twins(index), made) for index in arbiters])
    if first_error(found) is not None:  # a key cannot be computed
        return _as_told(told)
    left = await rows_left(held, table)
    return [place for place in made if place in left]


async def _skipped_updates(
    held: HeldSession, upsert: _Upsert, made: Sequence[Place], told: Response
) -> Collection[Place] | Answer | Unsettled:
    """Return the rows made for which DO UPDATE has no effect, and whose twins others have changed."""
    token, table = held.services.token, upsert.table
    found = await held.run([read_places(token, table, table.twins(each), made) for each in upsert.arbiters])
    if first_error(found) is not None:
        return _as_told(told)
    gone = frozenset((await held.services.log.newer(held.transaction)).gone(table.file))
    stale: list[tuple[Place, Place]] = []
    for result in found:
        places = parse_places(result.rows[0][0])
        half = len(places) // 2
        stale += [pair for pair in zip(places[:half], places[half:], strict=True) if pair[1] in gone]
    if stale and await _updates_any(held, upsert, stale):
        return Unsettled.STALE_UPDATE
    return frozenset(mine for mine, _ in stale)


async def _updates_any(held: HeldSession, upsert: _Upsert, pairs: Sequence[tuple[Place, Place]]) -> bool:
    """Return whether the WHERE clause of DO UPDATE is true for any pair of a proposed row and its twin.

    It is evaluated with the client's rights, and is taken for true where that fails, or where it names columns of a
    view.
    """
    condition = update_condition(upsert.statement)
    if condition is None or upsert.is_view:
        return True
    mine, twins = _literal(pair[0] for pair in pairs), _literal(pair[1] for pair in pairs)
    name, alias = upsert.table.name, upsert.alias or identifier(upsert.relation["relname"])
    # The indexes lack the rows made: OFFSET 0 makes the planner find them by place.
    asked = with_text(
        upsert.request,
        f"{with_clause(upsert.statement)}SELECT FROM ROWS FROM (pg_catalog.unnest({mine}), pg_catalog.unnest({twins}))"
        f" local_dsql_pair(local_dsql_mine, local_dsql_twin) JOIN ONLY {name} AS {alias}"
        f" ON {alias}.ctid = local_dsql_pair.local_dsql_twin"
        f" JOIN (SELECT ctid AS local_dsql_place, local_dsql_row.* FROM ONLY {name} AS local_dsql_row"
        f" WHERE ctid = ANY ({mine}) OFFSET 0) AS excluded"
        f" ON excluded.local_dsql_place = local_dsql_pair.local_dsql_mine WHERE ({condition}\n) LIMIT 1",
        held.backend.encoding,
    )
    if asked is None:
        return True
    (answer,) = await held.ask(asked.data)
    return answer.error is not None or answer.tags != ["SELECT 0"]


def _literal(places: Iterable[Place]) -> str:
    texts = ",".join(f'"({place.block},{place.offset})"' for place in places)
    return f"'{{{texts}}}'::pg_catalog.tid[]"


async def _rest(
    held: HeldSession, upsert: _Upsert, kept: Sequence[Place], told: Response
) -> Rest | Answer | Unsettled:
    """Return an upsert of the rows at places, which are read."""
    columns = await target_columns(held, upsert.statement, upsert.table)
    if not columns:
        return Unsettled.UNKNOWN
    table = upsert.table
    # In the client's encoding, in which they are sent back.
    (read,) = await held.ask(encode([read_images(held.services.token, table, kept)]))
    (images,) = results(read)
    if images.error is not None:
        return Unsettled.UNKNOWN
    rows = (
        Parameter(table.array_type, images.rows[0][0])
        if kept
        else empty_array(table.array_type, table.row_type)
    )
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
        return Unsettled.UNKNOWN
    rest = replace(rest, arbiters=frozenset(index.oid for index in upsert.arbiters))
    return Rest(rest, upsert.request, told)
