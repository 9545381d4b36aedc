"""Suspend a transaction: read its changes out of PostgreSQL and release all its locks; the snapshot stays."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from local_dsql.engine import hidden_settings, savepoints
from local_dsql.engine.commands import Command, Parameter, run_checked
from local_dsql.engine.errors import CONFLICT, SCHEMA_CHANGED, EngineError
from local_dsql.engine.powers import read_images
from local_dsql.engine.row_changes import NO_CHANGES, CapturedTable, RowChanges
from local_dsql.write_ahead_log.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection

    from dsql_dialect import Statement
    from local_dsql.engine.commands import Cell, Result
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table
    from local_dsql.write_ahead_log.operations import Place

_log = logging.getLogger(__name__)

_SNAPSHOT = Command("SELECT pg_catalog.pg_current_snapshot()")
_RELATIONS = (
    "SELECT DISTINCT relation FROM pg_catalog.pg_locks WHERE pid = {pid} AND locktype = 'relation'"
    " AND relation >= 16384 AND granted"
)


async def suspend(held: HeldSession, *, undone: bool = False) -> None:
    """Suspend the transaction of a session, if it is active. `undone`: the statement that runs has been undone.

    If its changes cannot be read, it becomes doomed: it must not commit a part of them.
    """
    transaction = held.session.transaction
    held.session.suspend_wanted = False
    if transaction is None or transaction.suspended is not None:
        return
    changes = NO_CHANGES
    if not (transaction.failed or transaction.log_lost):
        try:
            await keep_portals(held, undone=undone)
            changes = await capture(held)
            transaction.relations |= await locked_relations(held)
        except EngineError:
            _log.exception("the changes of a transaction cannot be read; it gets a conflict")
            transaction.doomed = transaction.doomed or CONFLICT
    before = dict(held.backend.parameters)
    await held.ask(savepoints.TO_BASE)
    if not transaction.failed:
        held.session.withhold(before)
    if not transaction.failed:
        transaction.suspended = changes


async def end_suspended(held: HeldSession) -> None:
    """End a suspended or failed transaction in PostgreSQL, which keeps the locks of sequences until then.

    Its snapshot is lost. So it is doomed, and continues on a fresh one.
    """
    transaction = held.transaction
    if not transaction.failed:
        transaction.doomed = transaction.doomed or SCHEMA_CHANGED
    await held.ask(savepoints.ROLLBACK)


async def keep_portals(held: HeldSession, *, undone: bool) -> None:
    """Keep the portals of an active transaction before PostgreSQL closes them; `undone` as in `suspend`."""
    catalog, is_current = held.services.catalog, held.sees_current_catalog

    def only_reads(statement: Statement) -> bool:
        return is_current and catalog.read_is_known_not_to_write(statement)

    await held.session.portals.before_suspend(held.backend, only_reads=only_reads, undone=undone)


async def give_way(held: HeldSession) -> None:
    """Suspend the transaction at the end of a statement if another statement waits for it, or always in tests."""
    if held.must_give_way:
        await suspend(held)


async def capture(held: HeldSession) -> RowChanges:
    """Return the transaction's changes and locks, with the images of the rows made; note the parameters it has set.

    Raises:
        EngineError: PostgreSQL refuses to read them.
    """
    changes, (hidden,) = await _capture(held, [hidden_settings.QUERY])
    held.transaction.settings = hidden_settings.settings(hidden)
    return changes


async def _capture(held: HeldSession, queries: list[Command]) -> tuple[RowChanges, list[Result]]:
    """As `capture`; return the results of queries, too, which run in the same round trip."""
    own = await held.services.log.operations(held.backend.pid)
    changes = own.changes()
    if held.transaction.changes_catalog:
        held.transaction.catalog_operations = own.of_catalog()
    tables = await tables_of(held, changes)
    token = held.services.token
    places = {file: (list(changes[file].updates.values()), changes[file].inserts) for file in tables}
    commands = [
        read_images(token, tables[file], made) for file, both in places.items() for made in both if made
    ]
    if held.transaction.reads_committed:
        # The rows changed are locked until now, so what others make of them is newer than this snapshot.
        queries = [*queries, _SNAPSHOT]
    results = await run_checked(held, [*commands, *queries])
    images = iter(results[: len(commands)])
    found = results[len(commands) :]
    if held.transaction.reads_committed:
        held.transaction.snapshot = Snapshot.parse(str(found.pop().texts()[0][0]))

    def next_images(file: int, made: list[Place]) -> Parameter | None:
        return _checked(tables[file], next(images).rows[0][0], len(made)) if made else None

    captured = RowChanges(
        tuple(
            CapturedTable(
                tables[file], changes[file], next_images(file, updated), next_images(file, inserted)
            )
            for file, (updated, inserted) in places.items()
        )
    )
    return captured, found


async def tables_of(held: HeldSession, files: Collection[int]) -> dict[int, Table]:
    """Return the tables of clients among the files with changes. Other files belong to large values and the catalog."""
    if not files:
        return {}
    keep = held.sees_current_catalog
    return await held.services.catalog.tables(held, files, keep=keep)


async def locked_relations(held: HeldSession) -> set[int]:
    """Return the OIDs of the relations that the backend has locked."""
    rows = await held.services.control.rows(_RELATIONS.format(pid=held.backend.pid))
    return {int(str(oid)) for (oid,) in rows}


def _checked(table: Table, array: Cell, count: int) -> Parameter:
    """Return an array of images after checking that it has one image for each place."""
    found = int.from_bytes(array[12:16], "big") if array is not None else 0
    if found != count:
        raise EngineError(f"{found} of {count} rows of {table.name} could be read")
    return Parameter(table.array_type, array)
