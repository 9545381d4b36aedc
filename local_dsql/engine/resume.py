"""Resume a suspended transaction: restore exactly its changes on its own snapshot, without CHECKs and foreign key
triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import Command, first_error
from local_dsql.engine.deadlocks import let_others_first
from local_dsql.engine.deferred_checks import moved_references
from local_dsql.engine.errors import (
    CONCURRENT,
    CONFLICT,
    SCHEMA_CHANGED,
    SCHEMA_ERRORS,
    SERIALIZATION_FAILURE,
    UNIQUE_VIOLATION,
    is_interruption,
    is_raised,
)
from local_dsql.engine.parent_locks import without_unneeded_locks
from local_dsql.engine.powers import write_rows
from local_dsql.engine.rebase import rebase
from local_dsql.engine.replay import replay, sets_only_parameters
from local_dsql.engine.row_changes import NO_CHANGES
from local_dsql.engine.suspend import suspend, tables_of
from local_dsql.engine.table_shapes import LOCK_CLAUSES
from local_dsql.engine.transaction import GUARD
from local_dsql.engine.unblock import let_waiters_first, run_unblocked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.commands import Parameter
    from local_dsql.engine.row_changes import CapturedTable, RowChanges
    from local_dsql.engine.session import HeldSession

_MOST_TRIES = 50
"""A try is repeated after a preemption or a deadlock (10 ms each), and once for each remedy in `_restore`. After 50 the
transaction gets a conflict, which the client can retry, rather than a loop without end."""
_APART = Command(f"SAVEPOINT {GUARD}")
"""Separates the updates from the locks of the same rows: the log shows then whether an update has changed a key."""
_REFUSALS = ("42501", "42883")
_SEE_CATALOG = Command("SELECT FROM pg_catalog.pg_class LIMIT 0")
"""Locks a relation: then a backend processes the changes of the catalog by others."""


async def resume(held: HeldSession, *, to_commit: bool = False) -> None:
    """Resume a suspended transaction; afterwards it may be doomed.

    `to_commit`: only COMMIT follows, so a doomed transaction stays suspended.
    """
    transaction = held.transaction
    changes = transaction.suspended
    if changes is None:
        return
    if transaction.doomed is None:
        await _restore(held, changes)
    if transaction.doomed is None and not (await replay(held) and await _changes_the_same(held)):
        transaction.doomed = SCHEMA_CHANGED
        await held.ask(savepoints.TO_BASE)
        changes = NO_CHANGES if transaction.changes_catalog else changes
    if transaction.doomed is not None:
        if to_commit:
            return
        await rebase(held, changes)
    transaction.suspended = None
    held.session.withheld.clear()
    await held.session.portals.after_resume(held.backend)


async def _changes_the_same(held: HeldSession) -> bool:
    """Return whether the replayed DDL has changed the catalog as its first run has.

    PostgreSQL finds what others have committed meanwhile: CREATE OR REPLACE would replace an object of the same name
    that the snapshot does not show, and CREATE IF NOT EXISTS would create none.
    """
    if not held.transaction.changes_catalog:
        return True
    own = await held.services.log.operations(held.backend.pid)
    return own.of_catalog() == held.transaction.catalog_operations


async def step_aside(held: HeldSession, fields: Mapping[str, str]) -> None:
    """Suspend a transaction whose statement was stopped under its guard, and let the others end first."""
    await held.ask(savepoints.TO_GUARD)
    await suspend(held, undone=True)
    await let_waiters_first(held)
    await let_others_first(held, fields)


async def _restore(held: HeldSession, changes: RowChanges) -> None:
    """Restore the changes. If others have committed changes of the rows, the transaction is doomed, at its base."""
    transaction = held.transaction
    transaction.checked, transaction.uncounted = held.services.log.position, 0
    if not changes:
        return
    transaction.moved = await moved_references(held, changes)
    transaction.checked = held.services.log.position
    error = None
    replacing = repaired = lightened = replayed = False
    for _ in range(_MOST_TRIES):
        if replayed:
            await replay(held)
        held.session.interruptible = True
        error = first_error(await run_unblocked(held, commands(held.services.token, changes, replacing)))
        held.session.interruptible = False
        if error is None:
            transaction.restored = True
            transaction.uncounted = sum(each.operations(replacing) for each in changes.tables)
            if await _is_exact(held, changes):
                return
            break
        await held.ask(savepoints.TO_BASE)
        if is_interruption(error):
            await let_others_first(held, error)
            continue
        if not repaired and await _owner_refuses(held, changes, error):
            repaired = True
            continue
        if error["C"] == SERIALIZATION_FAILURE and not lightened:
            lightened, lighter = True, await without_unneeded_locks(held, changes)
            if lighter is not None:
                changes = lighter
                continue
        if error["C"] == UNIQUE_VIOLATION and not replacing:
            replacing = True  # keys were moved around: the rows are deleted before they are inserted
            continue
        if error["C"] not in CONCURRENT and not replayed and sets_only_parameters(transaction):
            replayed = True
            continue
        break
    changed = (
        error is not None
        and error["C"].startswith(SCHEMA_ERRORS)
        and error["C"] not in _REFUSALS
        and not is_raised(error)
    )
    transaction.doomed = SCHEMA_CHANGED if changed else CONFLICT
    await held.ask(savepoints.TO_BASE)


async def _owner_refuses(held: HeldSession, changes: RowChanges, error: Mapping[str, str]) -> bool:
    """Repair the functions of table owners if the error may come from one; return whether any was repaired."""
    owners = {each.table.owner for each in changes.tables if each.table.runs_code}
    if error["C"] not in _REFUSALS or not await held.services.owner_functions.repair(owners):
        return False
    await held.run([_SEE_CATALOG])
    await held.ask(savepoints.TO_BASE)
    return True


async def _is_exact(held: HeldSession, changes: RowChanges) -> bool:
    """Return whether the log shows exactly the changes to restore.

    A domain or an index of a client may call a function that writes. Rows that it wrote a second time must not be
    committed.
    """
    if not any(each.table.runs_code for each in changes.tables):
        return True
    now = (await held.services.log.operations(held.backend.pid)).changes()
    known = await tables_of(held, now)

    def count(file: int) -> tuple[int, int]:
        return len(now[file].updates) + len(now[file].deletes), len(now[file].made)

    made = {file: count(file) for file in known if count(file) != (0, 0)}
    wanted = {each.table.file: each.counts for each in changes.tables if each.counts != (0, 0)}
    return made == wanted


def commands(token: Parameter, changes: RowChanges, replacing: bool) -> list[Command]:
    """Return the commands that restore changes: locks, then deletes, updates and inserts.

    `replacing` deletes and inserts all updated rows instead of updating them, which locks them as a change of the key
    does.
    """
    first: list[Command] = []
    second: list[Command] = []
    third: list[Command] = []
    for each in changes.tables:
        first += _locks(token, each)
    if any(each.changes.locks.keys() & each.changes.updates.keys() for each in changes.tables):
        first.append(_APART)
    for each in changes.tables:
        table = each.table
        if each.changes.deletes:
            first.append(write_rows(token, table, table.delete, each.changes.deletes))
        if each.updated is not None:
            _update(token, each, each.updated, replacing, (first, second, third))
        if each.inserted is not None:
            third.append(write_rows(token, table, table.insert, images=each.inserted, restores=True))
    return first + second + third


def _locks(token: Parameter, captured: CapturedTable) -> list[Command]:
    table, locks = captured.table, captured.changes.locks
    return [
        write_rows(token, table, table.lock(strength), places)
        for strength in LOCK_CLAUSES
        if (places := [place for place, each in locks.items() if each is strength])
    ]


def _update(
    token: Parameter,
    captured: CapturedTable,
    images: Parameter,
    replacing: bool,
    steps: tuple[list[Command], list[Command], list[Command]],
) -> None:
    first, second, third = steps
    table, base = captured.table, list(captured.changes.updates)
    if replacing or table.update is None:
        first.append(write_rows(token, table, table.delete, base))
        third.append(write_rows(token, table, table.insert, images=images, restores=True))
        return
    if table.replace is not None:
        first.append(write_rows(token, table, table.replace, base, images, restores=True))
    second.append(write_rows(token, table, table.update, base, images, restores=True))
