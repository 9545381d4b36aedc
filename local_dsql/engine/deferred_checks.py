"""Deferred constraints and referential actions that PostgreSQL cannot check after a suspension, or beside newer rows.

PostgreSQL queues a deferred check when a row changes. The changes of a resumed transaction were restored without
foreign key triggers, so the queue has no checks for them. They are checked here with queries, on the transaction's
snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from local_dsql.engine import savepoints
from local_dsql.engine.commands import (
    NO_IMAGES,
    elements,
    first_error,
    read_text_array,
    run_checked,
)
from local_dsql.engine.errors import (
    CONFLICT,
    FOREIGN_KEY_VIOLATION,
    Interrupted,
    is_interruption,
)
from local_dsql.engine.key_rights import shows_key
from local_dsql.engine.powers import read_texts, write_rows
from local_dsql.engine.unblock import ask_unblocked, run_unblocked
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from dsql_dialect import Statement
    from local_dsql.engine.commands import Command, Parameter
    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.row_changes import CapturedTable, RowChanges
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import ForeignKey, Table
    from local_dsql.write_ahead_log.changes import TableChanges
    from local_dsql.write_ahead_log.operations import Place

    Changes = Mapping[int, TableChanges]


async def foreign_keys(held: HeldSession) -> tuple[ForeignKey, ...]:
    """Return all foreign keys as the transaction sees them."""
    return await held.services.catalog.foreign_keys(held, keep=held.sees_current_catalog)


async def deferrable_keys(held: HeldSession) -> list[ForeignKey]:
    """Return the foreign keys whose checks can be deferred."""
    return [key for key in await foreign_keys(held) if key.deferrable]


async def moved_references(held: HeldSession, changes: RowChanges) -> dict[str, Collection[Place]]:
    """Return the base places of rows whose value of a deferrable foreign key an UPDATE has changed, by its name.

    The transaction must be at its base: images are compared with the rows that they replace.
    """
    updated = {each.table.file: each for each in changes.tables if each.updated is not None}
    keys = [key for key in await deferrable_keys(held) if key.child_file in updated] if updated else []
    return {key.name: await _moved(held, key, updated[key.child_file]) for key in keys}


async def _moved(held: HeldSession, key: ForeignKey, captured: CapturedTable) -> Collection[Place]:
    assert captured.updated is not None
    token, table, base = held.services.token, captured.table, list(captured.changes.updates)
    count = await _count(held, table, key.moved(table), base, captured.updated)
    if count in (0, len(base)):
        return base if count else ()
    images = zip(base, elements(captured.updated), strict=True)
    found = await run_checked(
        held, [write_rows(token, table, key.moved(table), [at], image) for at, image in images]
    )
    return {place for place, result in zip(base, found, strict=True) if result.number}


async def restored_violation(held: HeldSession, names: Collection[str] | None = None) -> ServerMessage | None:
    """Make the deferred checks that a suspension has removed from the queue, and lock the parents as PostgreSQL does.

    The caller has set the guard. After a conflict the transaction is back at it. `names` are the constraints to check;
    None: all.

    Raises:
        Interrupted: PostgreSQL stopped a lock request.
    """
    keys = await deferrable_keys(held)
    if not keys:
        return None
    mine = (await held.services.log.operations(held.backend.pid)).changes()
    for key in keys:
        if names is not None and key.name not in names:
            continue
        if key.child_file not in mine and key.parent_file not in mine:
            continue
        child, parent = await _ends(held, key)
        made = _references_made(held, key, mine.get(child.file))
        if await _count(held, child, key.orphans(child, parent)):
            by_parent = mine.get(parent.file)
            removed = by_parent is not None and bool(by_parent.updates or by_parent.deletes)
            return await _reference_violation(held, key, child, parent, made, removed)
        if made and not await _lock_parents(held, key, child, parent, made):
            return CONFLICT
    return None


def _references_made(held: HeldSession, key: ForeignKey, changes: TableChanges | None) -> list[Place]:
    """Return the rows whose parents must be locked.

    A restored UPDATE that kept the key locks no parent. PostgreSQL itself locks those of later statements.
    """
    if changes is None:
        return []
    moved = held.transaction.moved.get(key.name, ())
    return [*changes.inserts, *(own for base, own in changes.updates.items() if base in moved)]


async def _lock_parents(
    held: HeldSession, key: ForeignKey, child: Table, parent: Table, made: Iterable[Place]
) -> bool:
    command = write_rows(held.services.token, child, key.lock_parents(child, parent), made)
    error = first_error(await run_unblocked(held, [command]))
    if error is None:
        return True
    if is_interruption(error):
        raise Interrupted(error)
    await held.ask(savepoints.TO_GUARD)
    return False


async def violation_at_once(held: HeldSession, statement: Statement) -> ServerMessage | None:
    """Return the violation that SET CONSTRAINTS … IMMEDIATE must report, among checks that a suspension has removed.

    Raises:
        Interrupted: PostgreSQL stopped a lock request.
    """
    if not held.transaction.restored:
        return None
    (tree,) = libpg_query.parse(statement.backend_sql.encode())
    wanted = tree["stmt"]["ConstraintsSetStmt"]
    if wanted.get("deferred"):
        return None
    names = {each["RangeVar"]["relname"] for each in wanted.get("constraints", ())}
    return await restored_violation(held, names or None)


async def check_now(held: HeldSession) -> Mapping[str, str] | None:
    """Let PostgreSQL make its deferred checks after a guard, where they can be undone; return the fields of the error.

    Raises:
        Interrupted: PostgreSQL stopped a lock request; the transaction is back at the guard.
    """
    _, answer = await ask_unblocked(held, savepoints.SET_GUARD + savepoints.CHECK_DEFERRED, 2)
    error = answer.error
    if error is None:
        return None
    await held.ask(savepoints.TO_GUARD)
    if is_interruption(error):
        raise Interrupted(error)
    return error


async def has_missed_child(held: HeldSession, mine: Changes, newer: Newer) -> bool:
    """Return whether a referential action should have changed a child row that others have changed since the snapshot.

    PostgreSQL's actions change the newest version of a child, which may be gone or refer to another parent by then. By
    the snapshot the child has lost its parent. Or it refers to a parent whose key has another form now, as 1.00 in
    place of 1.0: ON UPDATE CASCADE would have copied that.
    """
    for key in await foreign_keys(held):
        parents = mine.get(key.parent_file)
        if parents is None or not (parents.updates or parents.deletes):
            continue
        touched = list(newer.gone(key.child_file))
        if not touched:
            continue
        child, parent = await _ends(held, key)
        if await _count(held, child, key.orphans_at(child, parent), touched):
            return True
        rewritten = [new for base, new in parents.updates.items() if base not in parents.keys_unchanged]
        if key.acts and rewritten:
            statement = key.children_of(child, parent, rewritten)
            if await _count(held, child, statement, touched):
                return True
    return False


async def _ends(held: HeldSession, key: ForeignKey) -> tuple[Table, Table]:
    files = {key.child_file, key.parent_file}
    tables = await held.services.catalog.tables(held, files, keep=held.sees_current_catalog)
    return tables[key.child_file], tables[key.parent_file]


async def _count(
    held: HeldSession, table: Table, statement: str, at: Iterable[Place] = (), images: Parameter = NO_IMAGES
) -> int:
    (result,) = await run_checked(held, [write_rows(held.services.token, table, statement, at, images)])
    return result.number


async def _reference_violation(
    held: HeldSession, key: ForeignKey, child: Table, parent: Table, made: Sequence[Place], removed: bool
) -> ServerMessage:
    """Return the error as PostgreSQL reports it: for a child made, or `removed`: for a parent that is gone."""
    token = held.services.token
    of_children = (
        await _read_key(held, read_texts(token, key.orphan_keys(child, parent, among=True), made))
    )[:1]
    of_parent = not of_children and removed
    values = of_children or await _read_key(
        held, read_texts(token, key.orphan_keys(child, parent, among=False))
    )
    table, columns = (parent, key.targets) if of_parent else (child, key.columns)
    shows = values and await shows_key(held, table, columns)
    row = f"Key ({', '.join(columns)})=({values[0]})" if shows else "Key"
    if of_parent:
        action, of = f'update or delete on table "{parent.relation}"', f' on table "{child.relation}"'
        detail = f'{row} is still referenced from table "{child.relation}".'
    else:
        action, of = f'insert or update on table "{child.relation}"', ""
        detail = f'{row} is not present in table "{parent.relation}".'
    return ServerMessage(
        FOREIGN_KEY_VIOLATION,
        f'{action} violates foreign key constraint "{key.name}"{of}',
        detail,
        schema=child.schema,
        table=child.relation,
        constraint=key.name,
    )


async def _read_key(held: HeldSession, command: Command) -> list[str]:
    (result,) = await run_checked(held, [command])
    cell = result.rows[0][0]
    return read_text_array(cell) if cell is not None else []
