"""Detect errors caused by rows committed after the transaction's snapshot.

After a unique violation, the statement runs again with the violated index switched off, after a savepoint that is
always rolled back. Then a query finds whether the snapshot shows a duplicate of its rows. After an error "still
referenced" of a foreign key, a query compares the text of the key in the message, as a bound value, with the visible
children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import TEXT_ARRAY, Parameter, first_error
from local_dsql.engine.deferred_checks import foreign_keys
from local_dsql.engine.duplicates import violated_index, visible_duplicate
from local_dsql.engine.errors import (
    FOREIGN_KEY_VIOLATION,
    INVALID_COLUMN_REFERENCE,
    UNIQUE_VIOLATION,
    EngineError,
)
from local_dsql.engine.powers import set_unique, write_rows
from local_dsql.engine.unblock import ask_unblocked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import ForeignKey, Table, UniqueIndex
    from local_dsql.wire.response import Response

_MOST_INDEXES = 24
"""Indexes that a table may have (AWS user guide, quotas)."""


async def is_unseen(held: HeldSession, request: Request, fields: Mapping[str, str]) -> bool:
    """Return whether an error comes from rows that the transaction's snapshot does not show.

    The transaction must be at its guard, and is at its guard afterwards.
    """
    newer = await held.services.log.newer(held.transaction)
    if fields["C"] == FOREIGN_KEY_VIOLATION:
        return await is_unseen_child(held, fields, newer)
    if fields["C"] != UNIQUE_VIOLATION:
        return False
    table, index = await violated_index(held, fields)
    if table is None or index is None or not newer.has_made(table.file):
        return False  # no row was committed into that table since
    try:
        return await _is_unseen_duplicate(held, request, index)
    finally:
        await held.ask(savepoints.TO_GUARD)


async def _is_unseen_duplicate(held: HeldSession, request: Request, index: UniqueIndex) -> bool:
    off = [index]
    for _ in range(_MOST_INDEXES):
        position, answer = await run_without(held, request, off)
        error = answer.error
        if error is None:
            own = await held.services.log.operations(held.backend.pid)
            return await visible_duplicate(held, own.since(position).changes(), off) is None
        await held.ask(savepoints.TO_GUARD)
        if error["C"] != UNIQUE_VIOLATION:
            return error["C"].startswith("40") or error["C"] == INVALID_COLUMN_REFERENCE
        _, another = await violated_index(held, error)
        if another is None or another in off:
            return False
        off.append(another)
    return False


async def run_without(
    held: HeldSession, request: Request, off: Collection[UniqueIndex]
) -> tuple[int, Response]:
    """Run a statement again after a guard, with indexes switched off.

    Returns:
        The position in the log before it, and its answer.
    """
    await held.services.log.catch_up()
    position = held.services.log.position
    await held.ask(savepoints.SET_GUARD)
    if off:
        error = first_error(await held.run([set_unique(held.services.token, off, value=False)]))
        if error is not None:
            raise EngineError(dict(error))
    (answer,) = await ask_unblocked(held, request.repetition, bulk=True)
    return position, answer


async def violated_key(
    held: HeldSession, fields: Mapping[str, str]
) -> tuple[ForeignKey, Table, Table] | tuple[None, None, None]:
    """Return the foreign key of an error "still referenced", its child and its parent; Nones for any other error."""
    if "is still referenced" not in fields.get("D", ""):
        return None, None, None
    keep = not held.transaction.changes_catalog
    child = await held.services.catalog.named(held, fields.get("s", ""), fields.get("t", ""), keep=keep)
    for key in await foreign_keys(held):
        if child is not None and key.child == child.oid and key.name == fields.get("n"):
            tables = await held.services.catalog.tables(held, [key.parent_file], keep=keep)
            return key, child, tables[key.parent_file]
    return None, None, None


async def is_unseen_child(held: HeldSession, fields: Mapping[str, str], newer: Newer) -> bool:
    """Return whether all children that violate a foreign key are newer than the snapshot.

    An error "is not present in table" never is: PostgreSQL checks that on the transaction's snapshot.
    """
    key, child, parent = await violated_key(held, fields)
    if key is None or child is None or parent is None:
        return False
    if not newer.has_made(child.file):
        return False
    detail = Parameter(TEXT_ARRAY, _one_text(fields["D"]))
    command = write_rows(held.services.token, child, key.still_referenced(child, parent), (), detail)
    (result,) = await held.run([command])
    if result.error is not None:
        await held.ask(savepoints.TO_GUARD)
        return True
    return not result.number


def _one_text(value: str) -> bytes:
    data = value.encode()
    head = (1, 0, 25, 1, 1, len(data))
    return b"".join(number.to_bytes(4, "big") for number in head) + data
