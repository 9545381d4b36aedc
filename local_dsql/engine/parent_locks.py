"""Drop locks of parent rows that foreign keys have taken and do not need.

PostgreSQL checks a foreign key again whenever a transaction updates a row that it has made itself. It then locks the
parent FOR KEY SHARE, although the row refers to the same parent as before (RI_FKey_fk_upd_check_required). By the net
effect of the transaction, only new rows and rows with another parent than before need that lock. If others have changed
the key of the parent, PostgreSQL still refuses another update of such a row: a conflict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, read_bool, run_checked
from local_dsql.engine.deferred_checks import foreign_keys
from local_dsql.engine.powers import write_rows
from local_dsql.engine.row_changes import RowChanges
from local_dsql.write_ahead_log.operations import LockStrength

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from local_dsql.engine.committed_rows import Conflict
    from local_dsql.engine.row_changes import CapturedTable
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import ForeignKey, Table
    from local_dsql.write_ahead_log.operations import Place

_LOCKS_BESIDE = Command("SELECT local_dsql_engine.locks_beside()", binary=True)
_MOST_PLACES = 100
"""Most locks of parents to check; with more, all locks stay."""


def are_shared(found: Iterable[Conflict]) -> bool:
    """Return whether all conflicts are with locks FOR KEY SHARE of the transaction."""
    return all(each.strength is LockStrength.KEY_SHARE for each in found)


async def without_unneeded_locks(held: HeldSession, changes: RowChanges) -> RowChanges | None:
    """Return the changes of a suspended transaction without the locks of parents that it does not need.

    None: it needs all of them, or a statement may have asked for them.
    """
    wanted = {each.table.file: _shared(each) for each in changes.tables}
    if held.transaction.locks_keys or not 0 < sum(map(len, wanted.values())) <= _MOST_PLACES:
        return None
    (beside,) = await held.run([_LOCKS_BESIDE])
    if beside.error is not None or read_bool(beside.rows[0][0]):
        return None
    for key in await foreign_keys(held):
        if places := wanted.get(key.parent_file):
            wanted[key.parent_file] = await _not_needed(held, key, changes, places)
    if not any(wanted.values()):
        return None
    return RowChanges(tuple(_without(each, wanted[each.table.file]) for each in changes.tables))


def _shared(captured: CapturedTable) -> list[Place]:
    return [place for place, strength in captured.changes.locks.items() if strength is LockStrength.KEY_SHARE]


async def _not_needed(
    held: HeldSession, key: ForeignKey, changes: RowChanges, places: list[Place]
) -> list[Place]:
    """Return those of the parents to which no row that was made or moved refers."""
    child = next((each for each in changes.tables if each.table.file == key.child_file), None)
    if child is None or not child.images:
        return places
    keep = held.sees_current_catalog
    tables = await held.services.catalog.tables(held, [key.parent_file], keep=keep)
    parent = tables[key.parent_file]
    return [place for place in places if not await _is_referred_to(held, key, child, parent, place)]


async def _is_referred_to(
    held: HeldSession, key: ForeignKey, child: CapturedTable, parent: Table, place: Place
) -> bool:
    token, table = held.services.token, child.table
    commands = []
    if child.updated is not None:
        base = list(child.changes.updates)
        commands.append(write_rows(token, table, key.moved_to(table, parent, place), base, child.updated))
    if child.inserted is not None:
        commands.append(write_rows(token, table, key.made_for(parent, place), (), child.inserted))
    found = await run_checked(held, commands)
    return any(result.number for result in found)


def _without(captured: CapturedTable, places: Collection[Place]) -> CapturedTable:
    locks = {place: each for place, each in captured.changes.locks.items() if place not in places}
    return replace(captured, changes=replace(captured.changes, locks=locks))
