"""Run statements of a doomed transaction on its fresh snapshot, after deleting rows of others that block them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.answers import Answer, Finding, passed_on, real, refused, succeeded
from local_dsql.engine.commands import first_error
from local_dsql.engine.deadlocks import let_others_first
from local_dsql.engine.duplicates import first_violation, violated_index, visible_duplicate
from local_dsql.engine.error_causes import (
    may_handle_errors,
    run_with_handlers,
    run_without,
    violated_key,
    violated_reference,
)
from local_dsql.engine.errors import (
    CONFLICT,
    FOREIGN_KEY_VIOLATION,
    SERIALIZATION_FAILURE,
    UNIQUE_VIOLATION,
    EngineError,
    Interrupted,
    is_interruption,
    is_raised,
    is_serialization_failure,
)
from local_dsql.engine.newer_rows import newer_changes
from local_dsql.engine.powers import write_rows
from local_dsql.engine.rebase import rebase, take_turn
from local_dsql.engine.requests import strip_surplus
from local_dsql.engine.suspend import capture, keep_portals, tables_of
from local_dsql.engine.unblock import run_unblocked
from local_dsql.engine.upserts import is_upsert, target_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.wire.response import Response
    from local_dsql.write_ahead_log.operations import Place

_MOST_TRIES = 16
"""A try is repeated once for each violated unique index, and after rows of others are evicted. More end in a conflict,
which the transaction gets at its COMMIT in any case."""
_MOST_INTERRUPTIONS = 1000
"""A try is also repeated each time that another session commits a change of the same row during the statement: with
several writers of one row, that happens many times in a row."""


@dataclass(slots=True)
class _Course:
    """State of one statement over all its runs.

    Attributes:
        off: unique indexes that stand in the way of the statement.
        violated: PostgreSQL's answer that names the last one of them.
        needs_indexes: the statement runs with its indexes, after deleting the newer rows of the table.
        is_current: the transaction was put on a newer snapshot for a row that none of its snapshots has shown.
        is_unclear: the duplicate that the snapshot shows may have got its key later. The log tells which rows have new
            keys in indexes of columns, but not in partial ones and those of expressions.
        has_evicted_updated: the upsert does not find rows of which others have changed a key. The log does not tell
            which key: by that of the clause the snapshot may have the row.
    """

    off: list[UniqueIndex] = field(default_factory=list)
    violated: Response | None = None
    needs_indexes: bool = False
    is_current: bool = False
    is_unclear: bool = False
    has_evicted_updated: bool = False


async def run_doomed(held: HeldSession, request: Request) -> Answer:
    """Run a statement of a doomed transaction that is active; return its answer.

    A violated unique index is switched off, and rows of others with the same key are deleted afterwards. If there are
    none, the violation was real.
    """
    course = _Course()
    tries = interruptions = 0
    while tries < _MOST_TRIES and interruptions < _MOST_INTERRUPTIONS:
        try:
            answer = await _run_once(held, request, course)
        except Interrupted as stop:
            interruptions += 1
            await held.ask(savepoints.TO_GUARD)
            await keep_portals(held, undone=True)
            changes = await capture(held)
            await held.ask(savepoints.TO_BASE)
            held.transaction.reads_committed |= stop.fields["C"] == SERIALIZATION_FAILURE
            await let_others_first(held, stop.fields)
            if stop.fields["C"] == SERIALIZATION_FAILURE:
                await take_turn(held)
            await rebase(held, changes)
            await held.session.portals.after_resume(held.backend)
            continue
        if answer is not None:
            violated = answer.error is not None and answer.error["C"] == UNIQUE_VIOLATION
            return refused(CONFLICT) if violated and course.has_evicted_updated else answer
        tries += 1
    return refused(CONFLICT)


async def _run_once(held: HeldSession, request: Request, course: _Course) -> Answer | None:
    """Run the statement once; return its answer, None if it has to run again.

    Raises:
        Interrupted: the transaction must be put on a newer snapshot first.
    """
    evicted = None
    if is_upsert(request):
        await held.ask(savepoints.SET_GUARD)
        evicted = await _evict_new_keys(held, request, course)
    position, answer = await _answer(held, request, course)
    error = answer.error
    if evicted is not None and error is None and held.transaction.reads_committed:
        await _check_new_keys(held, request, evicted)
    if error is None:
        return await _succeeded(held, request, course, position, answer)
    if is_serialization_failure(error):
        raise Interrupted(error)
    await held.ask(savepoints.TO_GUARD)
    if is_raised(error):
        return real(strip_surplus(answer, request.surplus), Finding.RAISED)
    if error["C"] == UNIQUE_VIOLATION:
        return await _switch_off(held, request, answer, course)
    if course.violated is not None and not course.needs_indexes:
        # Either an ON CONFLICT clause needs its index, or the violation may come before this error by the snapshot.
        # Newer rows are taken out of the way by place.
        course.needs_indexes, course.off = True, []
        await _evict_newer(held, course.violated)
        return None
    if error["C"] == FOREIGN_KEY_VIOLATION:
        if await _evict_children(held, answer):
            return None
        answer = strip_surplus(answer, request.surplus)
        return (
            real(answer, Finding.NOTHING_NEWER) if await _is_old(held, request, error) else refused(CONFLICT)
        )
    return passed_on(strip_surplus(answer, request.surplus))


async def _succeeded(
    held: HeldSession, request: Request, course: _Course, position: int, answer: Response
) -> Answer | None:
    """Return the answer to a statement that has run since a position in the log; None if it has to run again.

    Raises:
        Interrupted: the row that was in the way is newer than the snapshot.
    """
    finding = await _evict_duplicates(held, position, course) if course.off else None
    if finding is None:
        return succeeded(strip_surplus(answer, request.surplus))
    assert course.violated is not None
    violated = strip_surplus(course.violated, request.surplus)
    if finding is not Finding.VISIBLE:
        return real(violated, finding)
    if await _evict_updated(held, position):
        course.off = []
        return None
    if course.is_unclear:
        return refused(CONFLICT)
    own = await held.services.log.operations(held.backend.pid)
    return await first_violation(held, own.since(position).changes(), course.off, violated)


async def _answer(held: HeldSession, request: Request, course: _Course) -> tuple[int, Response]:
    """Return the position in the log before the statement, and its answer."""
    if not course.off and await may_handle_errors(held, request):
        return await run_with_handlers(held, request)  # the transaction fails at COMMIT, whatever they do
    return await run_without(held, request, course.off)


async def _switch_off(
    held: HeldSession, request: Request, answer: Response, course: _Course
) -> Answer | None:
    """Note that the index of a violation stands in the way; return the answer if it cannot be switched off.

    Raises:
        Interrupted: the row in the way is newer than the snapshot.
    """
    if not course.needs_indexes and await may_handle_errors(held, request):
        # Without its indexes the statement would not run its handlers.
        course.needs_indexes, course.off = True, []
        await _evict_newer(held, answer)
        return None
    table, index = await violated_index(held, answer.error or {})
    if table is None or index is None or index in course.off:
        return refused(CONFLICT)
    if course.needs_indexes:  # all newer rows of the table that the snapshot shows are out of the way
        await _be_current(held, [table.file], answer, course)
        return real(strip_surplus(answer, request.surplus), Finding.VISIBLE)
    course.off.append(index)
    course.violated = answer
    return None


async def _evict_duplicates(held: HeldSession, position: int, course: _Course) -> Finding | None:
    """Delete newer rows with the keys of those made since a position; return why a violation is real, if it is.

    Raises:
        Interrupted: the row that was in the way is newer than the snapshot.
    """
    own = await held.services.log.operations(held.backend.pid)
    changes = own.since(position).changes()
    tables = await tables_of(held, changes)
    evicted = 0
    keyed = await _all_newer_keys(held, tables)
    while True:
        for file, table in tables.items():
            made = changes[file].made
            for index in table.unique if made else ():
                if index in course.off:
                    command = table.delete_duplicates(index, len(made))
                    evicted += await _delete(held, table, command, [*made, *keyed[file]])
        duplicate = await visible_duplicate(held, changes, course.off)
        if duplicate is None:
            break
        known, keyed = keyed, await _all_newer_keys(held, tables)
        if not held.transaction.reads_committed or keyed == known:
            newer = await held.services.log.newer(held.transaction, than_first=True)
            course.is_unclear = not duplicate.of_columns and any(map(newer.has_made, tables))
            return Finding.VISIBLE
        # At READ COMMITTED it may be a row that was committed after the last look at the log.
    if evicted:
        return None
    assert course.violated is not None
    await _be_current(held, tables, course.violated, course)
    return Finding.OWN_ROWS


async def _evict_updated(held: HeldSession, position: int) -> bool:
    """If a statement has updated rows of others that the first snapshot does not show, undo it and delete them.

    By that snapshot the statement does not reach such a row, not even by a cascade, so the row is no duplicate. Return
    whether there were any.
    """
    own = await held.services.log.operations(held.backend.pid)
    changes = own.since(position).changes()
    newer = await held.services.log.newer(held.transaction, than_first=True)
    tables = await tables_of(held, changes)
    reached = {file: changes[file].updates.keys() & newer.inserted(file) for file in tables}
    if not any(reached.values()):
        return False
    await held.ask(savepoints.TO_GUARD)
    for file, table in tables.items():
        if places := reached[file]:
            await _delete(held, table, table.delete, places)
    return True


async def _be_current(held: HeldSession, files: Iterable[int], violated: Response, course: _Course) -> None:
    """Ask once for a newer snapshot if others have committed rows into tables that the snapshot does not show."""
    newer = await held.services.log.newer(held.transaction)
    if not course.is_current and any(map(newer.has_made, files)):
        course.is_current = True
        raise Interrupted(violated.error or {})


async def _evict_new_keys(held: HeldSession, request: Request, course: _Course) -> list[Place]:
    """Delete the rows with new keys that others have committed into the table of an upsert: it must not find them."""
    assert request.statement is not None
    table = await target_table(held, request.statement)
    places = await _newer_keys(held, table) if table is not None else []
    if table is not None and places:
        newer = await held.services.log.newer(held.transaction, than_first=True)
        course.has_evicted_updated |= not set(places) <= set(newer.inserted(table.file))
        await _delete(held, table, table.delete, places)
    return places


async def _check_new_keys(held: HeldSession, request: Request, evicted: list[Place]) -> None:
    """Check that the clause of an upsert at READ COMMITTED has found no row that was committed after the eviction.

    Raises:
        Interrupted: there are such rows.
    """
    assert request.statement is not None
    table = await target_table(held, request.statement)
    if table is not None and await _newer_keys(held, table) != evicted:
        raise Interrupted({"C": SERIALIZATION_FAILURE})


async def _evict_newer(held: HeldSession, violated: Response) -> None:
    """Delete the rows that others have committed since the first snapshot into the table of a unique violation."""
    table, _ = await violated_index(held, violated.error or {})
    if table is not None:
        await _delete(held, table, table.delete, await _newer(held, table))


async def _evict_children(held: HeldSession, violated: Response) -> bool:
    """Delete newer child rows that refer to a parent to delete; return whether there were any."""
    _, child, _ = await violated_key(held, violated.error or {})
    if child is None:
        return False
    newer = await _newer(held, child)
    return bool(newer) and await _delete(held, child, child.delete, newer) > 0


async def _all_newer_keys(held: HeldSession, tables: Mapping[int, Table]) -> dict[int, list[Place]]:
    return {file: await _newer_keys(held, table) for file, table in tables.items()}


async def _is_old(held: HeldSession, request: Request, violated: Mapping[str, str]) -> bool:
    """Return whether no newer row can have caused a violation of a foreign key.

    Others have changed no table that the statement names, no child, and have removed no parent. The statement itself
    may have deleted the parent, or changed the reference by an action.
    """
    key, child = await violated_reference(held, violated)
    statement = request.statement
    if key is None or child is None or statement is None or (await newer_changes(held, statement)).tables:
        return False
    newer = await held.services.log.newer(held.transaction, than_first=True)
    return not (newer.has_made(child.file) or newer.has_removed(key.parent_file))


async def _newer_keys(held: HeldSession, table: Table) -> list[Place]:
    """Return the rows with new keys that others have committed since the first snapshot."""
    return list((await held.services.log.newer(held.transaction, than_first=True)).keyed(table.file))


async def _newer(held: HeldSession, table: Table) -> list[Place]:
    return list((await held.services.log.newer(held.transaction, than_first=True)).made(table.file))


async def _delete(held: HeldSession, table: Table, statement: str, at: Iterable[Place]) -> int:
    """Delete rows of others and return how many.

    Raises:
        Interrupted: they have changed them once more, or have stopped the DELETE.
    """
    found = await run_unblocked(held, [write_rows(held.services.token, table, statement, at)])
    error = first_error(found)
    if error is None:
        return found[0].number
    if error["C"] == SERIALIZATION_FAILURE or is_interruption(error):
        raise Interrupted(error)
    raise EngineError(error)
