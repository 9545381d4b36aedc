"""Continue a doomed transaction: apply its changes on a fresh snapshot. It never commits.

Where others commit changes of the same rows again, each fresh snapshot would be old before the transaction has locked
the rows. So the transaction continues at READ COMMITTED from there on: PostgreSQL then locks the newest row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import first_error
from local_dsql.engine.deadlocks import let_others_first
from local_dsql.engine.errors import (
    SERIALIZATION_FAILURE,
    UNIQUE_VIOLATION,
    EngineError,
    is_interruption,
    is_raised,
)
from local_dsql.engine.opening import read_opened
from local_dsql.engine.powers import write_rows
from local_dsql.engine.replay import replay, sets_only_parameters
from local_dsql.engine.unblock import run_unblocked
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.commands import Command, Parameter
    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.row_changes import RowChanges
    from local_dsql.engine.session import HeldSession
    from local_dsql.write_ahead_log.operations import Place
    from local_dsql.write_ahead_log.snapshot import Snapshot

_MOST_TRIES = 64
"""A try is repeated after others commit changes of the same rows, or preempt it. Then the error of the engine ends the
transaction, which cannot commit in any case."""
_OVERTAKEN = (SERIALIZATION_FAILURE, UNIQUE_VIOLATION)
"""Errors of a try during which others have committed changes of the same rows, or rows with the same keys."""


async def rebase(held: HeldSession, changes: RowChanges) -> None:
    """Put the transaction on a fresh snapshot, and apply its own changes over the rows of others.

    Raises:
        EngineError: others commit changes of the same rows at every try, or PostgreSQL refuses the changes.
    """
    transaction = held.transaction
    base = transaction.snapshot
    replayed = False
    for _ in range(_MOST_TRIES):
        mark = held.services.commits.mark
        modes = savepoints.READ_COMMITTED if transaction.reads_committed else b""
        *_, opened = await held.ask(
            savepoints.ROLLBACK + transaction.begin + modes + savepoints.OPEN,
            2 + transaction.begins + bool(modes),
        )
        transaction.snapshot, _ = read_opened(opened)
        transaction.commits = mark
        transaction.restored = True
        if replayed:
            await replay(held)
        error = await _apply(held, changes, base)
        if error is None:
            await replay(held)
            return
        await held.ask(savepoints.TO_BASE)
        if error["C"] in _OVERTAKEN and not is_raised(error):
            transaction.reads_committed = True
        elif not is_interruption(error):
            if replayed or not sets_only_parameters(transaction):
                raise EngineError(error)
            replayed = True
            continue
        await let_others_first(held, error)
        if error["C"] == SERIALIZATION_FAILURE:
            await take_turn(held)
    raise EngineError("others commit over the rows of a transaction all the time")


async def take_turn(held: HeldSession) -> None:
    """Wait for a turn before a rebase; the transaction must be at its base, where it holds no locks.

    Raises:
        ConnectionLost: the client has disconnected meanwhile.
    """
    turns, session = held.services.turns, held.session
    await turns.take_next(session)
    if held.backend.is_gone:
        turns.give_back(session)
        raise ConnectionLost


async def _apply(held: HeldSession, changes: RowChanges, base: Snapshot) -> Mapping[str, str] | None:
    """Apply changes to newer rows: delete rows with the same base or key, then insert. Return the error, if any."""
    if not changes.tables:
        return None
    token, log = held.services.token, held.services.log
    inserts = [
        write_rows(token, each.table, each.table.insert, images=images, restores=True)
        for each in changes.tables
        for images in each.images
    ]
    versions = _versions(changes, await log.newer_than(held.transaction, base))
    while True:
        evictions = _evictions(token, changes, versions)
        if not held.transaction.reads_committed:
            return first_error(await run_unblocked(held, evictions + inserts))
        error = first_error(await run_unblocked(held, evictions))
        # A version that was committed before its predecessor could be locked is not deleted by place.
        known, versions = versions, _versions(changes, await log.newer_than(held.transaction, base))
        if error is not None or versions == known:
            return error or first_error(await run_unblocked(held, inserts))


def _versions(changes: RowChanges, newer: Newer) -> list[list[Place]]:
    """Return the places of the rows that changes replace or delete, and of all their versions since, by table.

    The log tells the versions of a base row. PostgreSQL does not: it may use the place of a row again once no snapshot
    shows the row.
    """
    return [
        list(newer.versions(each.table.file, [*each.changes.updates, *each.changes.deletes]))
        for each in changes.tables
    ]


def _evictions(token: Parameter, changes: RowChanges, versions: list[list[Place]]) -> list[Command]:
    """Return the commands that delete rows at places by table, and rows with the keys of the images."""
    commands: list[Command] = []
    for each, places in zip(changes.tables, versions, strict=True):
        table = each.table
        if places:
            commands.append(write_rows(token, table, table.delete, places))
        commands += [
            write_rows(token, table, table.delete_images(index), images=images)
            for images in each.images
            for index in table.unique
        ]
    return commands
