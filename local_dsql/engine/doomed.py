"""Run statements of a doomed transaction on its fresh snapshot, after deleting rows of others that block them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import first_error
from local_dsql.engine.duplicates import violated_index
from local_dsql.engine.error_causes import run_without, violated_key
from local_dsql.engine.errors import (
    CONFLICT,
    FOREIGN_KEY_VIOLATION,
    INTERRUPTED,
    INVALID_COLUMN_REFERENCE,
    SERIALIZATION_FAILURE,
    UNIQUE_VIOLATION,
)
from local_dsql.engine.powers import set_unique, write_rows
from local_dsql.engine.rebase import rebase
from local_dsql.engine.suspend import capture, tables_of
from local_dsql.engine.unblock import run_unblocked
from local_dsql.engine.upserts import is_upsert, target_table
from local_dsql.wire import messages
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.write_ahead_log.operations import Place

_MOST_TRIES = 16
"""A try is repeated once for each violated unique index, and after rows of others are evicted. More end in a conflict,
which the transaction gets at its COMMIT in any case."""


async def run_doomed(held: HeldSession, request: Request) -> Response:
    """Run a statement of a doomed transaction that is active; return its answer.

    A violated unique index is switched off, and rows of others with the same key are deleted afterwards. If there are
    none, the violation was real.
    """
    if is_upsert(request):
        await _evict_new_keys(held, request)
    off: list[UniqueIndex] = []
    keeps_indexes = False
    last: Response | None = None
    for _ in range(_MOST_TRIES):
        position, answer = await run_without(held, request, off)
        error = answer.error
        if error is None:
            if off and not await _evict_duplicates(held, position, off):
                assert last is not None
                return last  # rows of the statement itself violate the index
            return answer
        await held.ask(savepoints.TO_GUARD)
        if error["C"] in INTERRUPTED | {SERIALIZATION_FAILURE}:
            await rebase(held, await capture(held))
            continue
        if error["C"] == UNIQUE_VIOLATION and not keeps_indexes:
            _, index = await violated_index(held, error)
            if index is not None and index not in off:
                off.append(index)
                last = answer
                continue
        if error["C"] == INVALID_COLUMN_REFERENCE and last is not None and not keeps_indexes:
            # An ON CONFLICT clause needs its index: delete newer rows by place instead.
            keeps_indexes, off = True, []
            await _evict_newer(held, last)
            continue
        if error["C"] == FOREIGN_KEY_VIOLATION and await _evict_children(held, answer):
            continue
        return answer if error["C"] != FOREIGN_KEY_VIOLATION else _conflict()
    return _conflict()


def _conflict() -> Response:
    return Response([(b"E", CONFLICT.encode())], messages.FAILED)


async def _evict_duplicates(held: HeldSession, position: int, off: list[UniqueIndex]) -> int:
    """Delete newer rows with the keys of the rows made since a position, and switch the indexes on again."""
    own = await held.services.log.operations(held.backend.pid)
    changes = own.since(position).changes()
    evicted = 0
    for file, table in (await tables_of(held, changes)).items():
        made = changes[file].made
        for index in table.unique if made else ():
            if index in off:
                places = [*made, *await _newer_keys(held, table)]
                command = table.delete_duplicates(index, len(made))
                evicted += await _delete(held, table, command, places)
    await held.run([set_unique(held.services.token, off, value=True)])
    return evicted


async def _evict_new_keys(held: HeldSession, request: Request) -> None:
    """Delete the rows with new keys that others have committed into the table of an upsert: it must not find them."""
    assert request.statement is not None
    table = await target_table(held, request.statement)
    if table is not None and (places := await _newer_keys(held, table)):
        await _delete(held, table, table.delete, places)


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


async def _newer_keys(held: HeldSession, table: Table) -> list[Place]:
    """Return the rows with new keys that others have committed since the first snapshot."""
    return list((await held.services.log.newer(held.transaction, than_first=True)).keyed(table.file))


async def _newer(held: HeldSession, table: Table) -> list[Place]:
    return list((await held.services.log.newer(held.transaction, than_first=True)).made(table.file))


async def _delete(held: HeldSession, table: Table, statement: str, at: Iterable[Place]) -> int:
    found = await run_unblocked(held, [write_rows(held.services.token, table, statement, at)])
    return 0 if first_error(found) is not None else found[0].number
