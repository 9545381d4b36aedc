"""Continue a doomed transaction: apply its changes on a fresh snapshot. It never commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import first_error
from local_dsql.engine.deadlocks import let_others_first
from local_dsql.engine.errors import SERIALIZATION_FAILURE, EngineError, is_interruption
from local_dsql.engine.opening import read_opened
from local_dsql.engine.powers import write_rows
from local_dsql.engine.replay import replay
from local_dsql.engine.unblock import run_unblocked

if TYPE_CHECKING:
    from local_dsql.engine.commands import Command, Parameter
    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.row_changes import RowChanges
    from local_dsql.engine.session import HeldSession

_MOST_TRIES = 64
"""A try is repeated after others commit changes of the same rows, or preempt it. Then the error of the engine ends the
transaction, which cannot commit in any case."""


async def rebase(held: HeldSession, changes: RowChanges) -> None:
    """Put the transaction on a fresh snapshot, and apply its own changes over the rows of others.

    Raises:
        EngineError: others commit changes of the same rows at every try, or PostgreSQL refuses the changes.
    """
    transaction = held.transaction
    base = transaction.snapshot
    for _ in range(_MOST_TRIES):
        mark = held.services.commits.mark
        *_, opened = await held.ask(
            savepoints.ROLLBACK + transaction.begin + savepoints.OPEN, 2 + transaction.begins
        )
        transaction.snapshot, _ = read_opened(opened)
        transaction.commits = mark
        transaction.restored = True
        wanted = _commands(
            held.services.token, changes, await held.services.log.newer_than(transaction, base)
        )
        error = first_error(await run_unblocked(held, wanted)) if wanted else None
        if error is None:
            await replay(held)
            return
        if error["C"] != SERIALIZATION_FAILURE and not is_interruption(error):
            raise EngineError(error)
        await held.ask(savepoints.TO_BASE)
        await let_others_first(held, error)
    raise EngineError("others commit over the rows of a transaction all the time")


def _commands(token: Parameter, changes: RowChanges, newer: Newer) -> list[Command]:
    """Return the commands that apply changes to newer rows: delete rows with the same base or key, then insert.

    The log tells the versions of a base row. PostgreSQL does not: it may use the place of a row again once no snapshot
    shows the row.
    """
    evict: list[Command] = []
    insert: list[Command] = []
    for each in changes.tables:
        table = each.table
        gone = [*each.changes.updates, *each.changes.deletes]
        if gone:
            evict.append(write_rows(token, table, table.delete, newer.versions(table.file, gone)))
        for images in each.images:
            evict += [
                write_rows(token, table, table.delete_images(index), images=images) for index in table.unique
            ]
            insert.append(write_rows(token, table, table.insert, images=images))
    return evict + insert
