"""Find duplicate keys by the snapshot of a transaction; PostgreSQL compares with the newest rows.

The index itself has the expressions, the predicate and the operators of a key. No key is read out of a message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.answers import Finding, real, refused
from local_dsql.engine.commands import first_error, run_checked
from local_dsql.engine.errors import UNIQUE_VIOLATION
from local_dsql.engine.key_rights import shows_key
from local_dsql.engine.powers import set_unique, write_rows
from local_dsql.engine.suspend import tables_of
from local_dsql.engine.unblock import run_unblocked
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from local_dsql.engine.answers import Answer
    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.wire.response import Response
    from local_dsql.write_ahead_log.changes import TableChanges
    from local_dsql.write_ahead_log.operations import Place


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row made that has the key of another row by the snapshot: its table, its place, and the unique index."""

    table: Table
    place: Place
    index: UniqueIndex


async def visible_duplicate(
    held: HeldSession, changes: Mapping[int, TableChanges], only: Collection[UniqueIndex]
) -> UniqueIndex | None:
    """Return one of some unique indexes in which a row made has the key of another row that the snapshot shows."""
    for file, table in (await tables_of(held, changes)).items():
        indexes = [index for index in table.unique if index in only]
        for index in await _duplicated(held, table, changes[file].made, indexes):
            return index
    return None


async def unseen_duplicates(
    held: HeldSession, newer: Newer, since: int
) -> tuple[Table, Sequence[Place]] | None:
    """Return a table, and the rows made in it since a position in the log, if some violate a unique index by the
    snapshot alone.

    PostgreSQL inserts a row whose duplicate others have removed since the snapshot.
    """
    freed = {file for file in newer.files_with_removed() if may_have_freed(held, newer, file)}
    if not freed:
        return None
    own = await held.services.log.operations(held.backend.pid)
    changes = own.since(since).changes()
    made = {file: table.made for file, table in changes.items() if file in freed and table.made}
    for file, table in (await tables_of(held, made)).items():
        if await _duplicated(held, table, made[file], checked_at_once(table)):
            return table, made[file]
    return None


def may_have_freed(held: HeldSession, newer: Newer, file: int) -> bool:
    """Return whether a key of a row that others have updated or deleted may be free by now."""
    keys_of_columns = held.services.catalog.has_keys_of_columns(file)
    return newer.has_freed(file) if keys_of_columns else newer.has_removed(file)


def checked_at_once(table: Table) -> list[UniqueIndex]:
    """Return the unique indexes that PostgreSQL checks when it makes a row, in the order in which it does so."""
    return sorted((index for index in table.unique if index.immediate), key=lambda index: index.oid)


async def _duplicated(
    held: HeldSession, table: Table, made: Sequence[Place], indexes: Sequence[UniqueIndex]
) -> list[UniqueIndex]:
    """Return the indexes in which a row made has the key of another visible row."""
    if not made or not indexes:
        return []
    token = held.services.token
    commands = [write_rows(token, table, table.duplicates(index), made) for index in indexes]
    found = await run_checked(held, commands)
    return [index for index, result in zip(indexes, found, strict=True) if result.number]


async def first_duplicate(held: HeldSession, table: Table, made: Sequence[Place]) -> Duplicate | None:
    """Return the first row made, in their order, that has the key of a visible row or of an earlier one.

    If there is one, the transaction is at a new guard, with the rows made before it: it can only fail.
    """
    first: tuple[int, int, UniqueIndex] | None = None
    for index in await _duplicated(held, table, made, checked_at_once(table)):
        await held.ask(savepoints.SET_GUARD)
        delete = write_rows(held.services.token, table, table.delete_violating(index), made)
        await run_checked(held, [delete])
        left = await rows_left(held, table)
        await held.ask(savepoints.TO_GUARD)
        number = next((number for number, place in enumerate(made) if place not in left), None)
        if number is not None:
            found = (number, index.oid, index)
            first = found if first is None else min(first, found, key=lambda each: each[:2])
    return None if first is None else Duplicate(table, made[first[0]], first[2])


async def rows_left(held: HeldSession, table: Table) -> Collection[Place]:
    """Return the rows of a table that the transaction has made and that are still there."""
    changes = (await held.services.log.operations(held.backend.pid)).changes()
    return frozenset(changes[table.file].made) if table.file in changes else frozenset()


async def unique_violation(held: HeldSession, duplicate: Duplicate) -> ServerMessage:
    """Return the error of a duplicate key as PostgreSQL reports it. The transaction can only fail afterwards.

    The row is inserted once more, beside itself: PostgreSQL finds the key in the index, whatever that is on.
    """
    table, index, token = duplicate.table, duplicate.index, held.services.token
    message = ServerMessage(
        UNIQUE_VIOLATION,
        f'duplicate key value violates unique constraint "{index.name}"',
        schema=table.schema,
        table=table.relation,
        constraint=index.name,
    )
    if not await shows_key(held, table, index.columns):
        return message
    others = [each for each in table.unique if each is not index]
    commands = [set_unique(token, others, value=False)] if others else []
    commands.append(write_rows(token, table, table.repeat, [duplicate.place], restores=True))
    error = first_error(await run_unblocked(held, commands)) or {}
    is_same = error.get("C") == UNIQUE_VIOLATION and error.get("n") == index.name
    return replace(message, detail=error.get("D")) if is_same else message


async def first_violation(
    held: HeldSession, changes: Mapping[int, TableChanges], only: Collection[UniqueIndex], told: Response
) -> Answer:
    """Return the error of the first row made that violates a unique index by the snapshot; one of `only` is violated.

    `told` is an error of PostgreSQL, which goes by newer rows, too. The transaction can only fail afterwards.
    """
    for file, table in (await tables_of(held, changes)).items():
        if any(index in only for index in table.unique):
            duplicate = await first_duplicate(held, table, changes[file].made)
            if duplicate is not None:
                message, error = await unique_violation(held, duplicate), told.error or {}
                is_same = (message.constraint, message.detail) == (error.get("n"), error.get("D"))
                return real(told, Finding.VISIBLE) if is_same else refused(message)
    return real(told, Finding.VISIBLE)


async def violated_index(
    held: HeldSession, fields: Mapping[str, str]
) -> tuple[Table, UniqueIndex] | tuple[None, None]:
    """Return the table and the unique index that an error of PostgreSQL names."""
    keep = held.sees_current_catalog
    names = fields.get("s", ""), fields.get("t", "")
    table = await held.services.catalog.named(held, *names, keep=keep)
    for index in table.unique if table is not None else ():
        if index.name == fields.get("n"):
            assert table is not None
            return table, index
    return None, None


async def lacks_freed_keys(held: HeldSession, fields: Mapping[str, str]) -> bool:
    """Return whether others may have freed keys of the table of a violation, so that PostgreSQL does not find them."""
    table, _ = await violated_index(held, fields)
    return table is None or may_have_freed(held, await held.services.log.newer(held.transaction), table.file)
