"""Detect errors caused by rows committed after the transaction's snapshot.

After a unique violation, the statement runs again with the violated index switched off, after a savepoint that is
always rolled back. Then a query finds the first of its rows of which the snapshot shows a duplicate. A body in PL/pgSQL
with a handler would run other statements then, so the key in the message is looked up instead. After an error "still
referenced" of a foreign key, a query compares the text of the key in the message, as a bound value, with the visible
children.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dsql_dialect import Kind, libpg_query
from local_dsql.engine import savepoints
from local_dsql.engine.answers import Finding, real
from local_dsql.engine.commands import Command, first_error, text, texts
from local_dsql.engine.deferred_checks import foreign_keys
from local_dsql.engine.duplicates import first_violation, violated_index, visible_duplicate
from local_dsql.engine.errors import (
    FOREIGN_KEY_VIOLATION,
    UNIQUE_VIOLATION,
    EngineError,
    Interrupted,
    is_interruption,
)
from local_dsql.engine.powers import set_unique, store_rows_only, write_rows
from local_dsql.engine.unblock import ask_unblocked, run_unblocked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dsql_dialect import Statement
    from local_dsql.engine.answers import Answer
    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import ForeignKey, Table, UniqueIndex
    from local_dsql.wire.response import Response

_STILL_REFERENCED = "is still referenced"
_IS_NEWER = "SELECT local_dsql_engine.is_conflict($1, $2, $3, $4, $5, $6, $7)"
_FIELDS = "CMDstnW"
"""The fields of an error that `is_conflict` needs."""
_HANDLES = Command("SET LOCAL local_dsql.handles_violations = 'on'")
_LETS_THROUGH = Command("SET LOCAL local_dsql.handles_violations = 'off'")
_GUARD_OF_HANDLERS = "local_dsql_engine.is_conflict("
_WORD = re.compile(r"\w+")
_MOST_INDEXES = 24
"""Indexes that a table may have (AWS user guide, quotas)."""


async def find_real(held: HeldSession, request: Request, told: Response) -> Answer | None:
    """Return the error by the snapshot of a statement that has failed, None if there is none: it comes from newer rows.

    The transaction must be at its guard, and is there again if there is none.

    Raises:
        Interrupted: the statement was stopped when it ran again.
    """
    fields = told.error
    assert fields is not None
    newer = await held.services.log.newer(held.transaction)
    if fields["C"] == FOREIGN_KEY_VIOLATION:
        finding = await find_child(held, fields, newer)
        return None if finding is None else real(told, finding)
    if fields["C"] != UNIQUE_VIOLATION:
        return None
    table, index = await violated_index(held, fields)
    if table is None or index is None:
        return None  # the snapshot does not show the table as it is
    if not (newer.keyed(table.file) if index.of_columns else newer.has_made(table.file)):
        return real(told, Finding.NOTHING_NEWER)
    try:
        if await may_handle_errors(held, request):
            return real(told, Finding.VISIBLE) if await _shows_key(held, fields) else None
        return await _find_duplicate(held, request, index, told)
    finally:
        await held.ask(savepoints.TO_GUARD)


async def may_handle_errors(held: HeldSession, request: Request) -> bool:
    """Return whether a statement may run a body in PL/pgSQL with a handler: a DO, or a call of a function."""
    statement = request.statement
    if statement is None or statement.node == "Do":
        return statement is None or _GUARD_OF_HANDLERS in statement.backend_sql or await _is_any(held)
    if not await _is_any(held):
        return False
    if statement.kind not in (Kind.QUERY, Kind.DML):
        return True
    return await held.services.catalog.may_call(held, statement, keep=_keeps(held))


async def may_upsert(held: HeldSession, statement: Statement | None) -> bool:
    """Return whether a statement may run an INSERT … ON CONFLICT anywhere: in a CTE, a DO, or a call of a function."""
    if statement is None:
        return True
    mentioned = _mentioned(statement)
    if "conflict" in mentioned:
        return True
    upserting = await held.services.catalog.upserting_functions(held, keep=_keeps(held))
    if not upserting or statement.kind not in (Kind.QUERY, Kind.DML):
        return bool(upserting)
    # `row.function` is a call, too, so all names count.
    return not upserting.isdisjoint(mentioned | await _hidden_functions(held, statement))


def _mentioned(statement: Statement) -> frozenset[str]:
    """Return the words of a statement in lower case, those in the body of a DO included."""
    text = statement.backend_sql
    if statement.node == "Do":
        return frozenset(_WORD.findall(text.lower()))
    return frozenset(token.text.strip('"').lower() for token in libpg_query.scan(text.encode()))


async def _hidden_functions(held: HeldSession, statement: Statement) -> frozenset[str]:
    return await held.services.catalog.hidden_functions(held, _mentioned(statement), keep=_keeps(held))


async def _is_any(held: HeldSession) -> bool:
    return await held.services.catalog.functions_handle_errors(held, keep=_keeps(held))


def _keeps(held: HeldSession) -> bool:
    transaction = held.session.transaction
    return transaction is None or not transaction.changes_catalog


async def others_have_made_rows(held: HeldSession) -> bool:
    """Return whether others have committed rows into tables of clients that the snapshot does not show."""
    newer = await held.services.log.newer(held.transaction)
    keep = not held.transaction.changes_catalog
    known = await held.services.catalog.tables(held, newer.files(), keep=keep)
    return any(map(newer.has_made, known))


async def run_with_handlers(held: HeldSession, request: Request) -> tuple[int, Response]:
    """Run a statement again after a guard, with its handlers of violations, whatever rows these come from.

    The transaction must be at its guard, and is at one again if the answer is an error.

    Returns:
        The position in the log before it, and its answer.

    Raises:
        Interrupted: it was stopped.
    """
    await held.run([_HANDLES])
    position, answer = await run_without(held, request, ())
    if answer.error is None:
        await held.run([_LETS_THROUGH])
    else:
        await held.ask(savepoints.TO_GUARD)
        await held.run([_LETS_THROUGH])
        await held.ask(savepoints.SET_GUARD)  # the last one is behind the setting
    return position, answer


async def _shows_key(held: HeldSession, fields: Mapping[str, str]) -> bool:
    """Return whether the snapshot shows a row with the key of a violation."""
    (result,) = await held.run([Command(_IS_NEWER, tuple(text(fields.get(each, "")) for each in _FIELDS))])
    return result.error is None and result.rows[0][0] == b"f"


async def _find_duplicate(
    held: HeldSession, request: Request, index: UniqueIndex, told: Response
) -> Answer | None:
    off = [index]
    for _ in range(_MOST_INDEXES):
        position, answer = await run_without(held, request, off)
        error = answer.error
        if error is None:
            own = await held.services.log.operations(held.backend.pid)
            changes = own.since(position).changes()
            seen = await visible_duplicate(held, changes, off)
            return None if seen is None else await first_violation(held, changes, off, told)
        await held.ask(savepoints.TO_GUARD)
        if error["C"] != UNIQUE_VIOLATION:
            return None  # the rows that were made before the error are gone: `run_doomed` finds which error comes first
        _, another = await violated_index(held, error)
        if another is None or another in off:
            return None
        off.append(another)
    return None


async def run_without(
    held: HeldSession, request: Request, off: Collection[UniqueIndex]
) -> tuple[int, Response]:
    """Run a statement again after a guard, with indexes switched off.

    Returns:
        The position in the log before it if an index is switched off, and its answer.

    Raises:
        Interrupted: it was stopped.
    """
    log = held.services.log
    if not off:
        _, answer = await ask_unblocked(held, savepoints.SET_GUARD + request.repetition, 2, bulk=True)
        if answer.error is not None and is_interruption(answer.error):
            raise Interrupted(answer.error)
        return log.position, answer
    await log.catch_up()
    position = log.position
    await held.ask(savepoints.SET_GUARD)
    await _switch(held, off, value=False)
    (answer,) = await ask_unblocked(held, request.repetition, bulk=True)
    if (error := answer.error) is None:
        await _switch(held, off, value=True)  # shapes that are read from now on have all indexes
    elif is_interruption(error):
        raise Interrupted(error)
    return position, answer


async def run_rows_only(held: HeldSession, request: Request, table: Table) -> tuple[int, Response]:
    """Run an INSERT after a guard, without the indexes and the foreign keys of its table; only a rollback ends that.

    Returns:
        The position in the log before it, and its answer.

    Raises:
        Interrupted: it was stopped.
    """
    log = held.services.log
    await log.catch_up()
    position = log.position
    await held.ask(savepoints.SET_GUARD)
    await _run_power(held, store_rows_only(held.services.token, table))
    (answer,) = await ask_unblocked(held, request.repetition, bulk=True)
    if answer.error is not None and is_interruption(answer.error):
        raise Interrupted(answer.error)
    return position, answer


async def _switch(held: HeldSession, indexes: Collection[UniqueIndex], *, value: bool) -> None:
    """Switch unique indexes off or on, for this backend only: until it rolls that back, no other one can do so.

    Raises:
        Interrupted: another transaction has switched one, and could not be suspended.
    """
    if indexes:
        await _run_power(held, set_unique(held.services.token, indexes, value=value))


async def _run_power(held: HeldSession, command: Command) -> None:
    error = first_error(await run_unblocked(held, [command]))
    if error is not None:
        raise Interrupted(error) if is_interruption(error) else EngineError(dict(error))


async def violated_key(
    held: HeldSession, fields: Mapping[str, str]
) -> tuple[ForeignKey, Table, Table] | tuple[None, None, None]:
    """Return the foreign key of an error "still referenced", its child and its parent; Nones for any other error."""
    if _STILL_REFERENCED not in fields.get("D", ""):
        return None, None, None
    key, child = await violated_reference(held, fields)
    if key is None or child is None:
        return None, None, None
    keep = not held.transaction.changes_catalog
    tables = await held.services.catalog.tables(held, [key.parent_file], keep=keep)
    return key, child, tables[key.parent_file]


async def violated_reference(
    held: HeldSession, fields: Mapping[str, str]
) -> tuple[ForeignKey, Table] | tuple[None, None]:
    """Return the foreign key that an error names, and its child."""
    keep = not held.transaction.changes_catalog
    child = await held.services.catalog.named(held, fields.get("s", ""), fields.get("t", ""), keep=keep)
    for key in await foreign_keys(held):
        if child is not None and key.child == child.oid and key.name == fields.get("n"):
            return key, child
    return None, None


async def find_child(held: HeldSession, fields: Mapping[str, str], newer: Newer) -> Finding | None:
    """Return why a violation of a foreign key is real, None if the children that it speaks of are all newer."""
    if _STILL_REFERENCED not in fields.get("D", ""):
        return Finding.BY_SNAPSHOT  # the parent "is not present"
    key, child, parent = await violated_key(held, fields)
    if key is None or child is None or parent is None:
        return None
    if not newer.has_made(child.file):
        return Finding.NOTHING_NEWER
    detail = texts([fields["D"]])
    command = write_rows(held.services.token, child, key.still_referenced(child, parent), (), detail)
    (result,) = await held.run([command])
    if result.error is not None:
        await held.ask(savepoints.TO_GUARD)
        return None
    return Finding.VISIBLE if result.number else None
