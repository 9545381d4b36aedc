"""Parking a transaction, and bringing it back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from local_dsql.occ import effects as effects_of
from local_dsql.occ import rebase, restore, verdicts
from local_dsql.occ.effects import NOTHING, Effects, Holding
from local_dsql.occ.privilege import AS_SUPERUSER, as_client, as_writer
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.wire.response import Response

BASE = "local_dsql"
"""The savepoint taken right after BEGIN; clients cannot name it, since the dialect has no savepoints."""

OPEN = messages.query(
    f"SAVEPOINT {BASE}; SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),"
    " pg_catalog.pg_current_wal_insert_lsn()"
)
BACK_TO_BASE = messages.query(f"ROLLBACK TO SAVEPOINT {BASE}")
ANEW = messages.query("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ")


async def park(engine: Engine, holder: Participant, holding: Holding | None = None) -> None:
    """Get a transaction out of the way. The engine's mutex must be held, by somebody else's statement.

    Waits for a plain read that the holder may be in the middle of. A holder whose connection is lost needs nothing:
    PostgreSQL rolls it back.
    """
    holder.backend.drain()
    with contextlib.suppress(ConnectionLost):
        await _park(engine, holder, holding)


async def _park(engine: Engine, holder: Participant, holding: Holding | None) -> None:
    backend = holder.backend
    async with backend.lock:
        transaction = holder.transaction
        if transaction is None or transaction.parked is not None:
            return
        effects = NOTHING
        if transaction.wrote and not transaction.failed and transaction.redo is None:
            effects = await capture(engine, holder, holding)
        await holder.before_parking()
        await backend.request(BACK_TO_BASE)
        if not transaction.failed:
            transaction.parked = effects


async def capture(engine: Engine, holder: Participant, holding: Holding | None = None) -> Effects:
    """Return the effects of a live transaction whose backend is ours to use; see `effects.capture`."""
    if holding is None:
        (holding,) = await effects_of.holdings(engine.control, f"ARRAY[{holder.backend.pid}]")
    tables = await engine.tables.of(holding.relations, engine.catalog)
    return await effects_of.capture(engine.control, holder, holding, tables)


async def resume(
    engine: Engine, participant: Participant, *, to_commit: bool = False
) -> ServerMessage | None:
    """Bring a parked transaction back; return why it is doomed, None if it is not.

    The engine's mutex and the backend's turn must be held. `to_commit` says that nothing but COMMIT follows: then
    one that has become doomed stays parked, since it need not work on.
    """
    transaction = participant.transaction
    assert transaction is not None
    effects = transaction.parked
    if effects is None:
        return transaction.doomed
    if transaction.doomed is None:
        try:
            await _restore(engine, participant, transaction, effects)
        except BackendError:
            transaction.doomed = verdicts.CONFLICT if transaction.redo is None else verdicts.SCHEMA_CHANGED
    if transaction.doomed is None:
        await settle(participant, transaction)
    elif to_commit:
        return transaction.doomed
    else:
        await rebased(engine, participant, effects)
    transaction.parked = None
    return transaction.doomed


async def _restore(
    engine: Engine, participant: Participant, transaction: Transaction, effects: Effects
) -> None:
    """Make the changes again.

    Raises:
        BackendError: somebody has committed over them; the transaction is back at its base.
    """
    try:
        await _run_restore(engine, participant, transaction, effects)
    except BackendError as error:
        await participant.backend.request(BACK_TO_BASE)
        if error.sqlstate != "23505" or not any(each.updates for each in effects.tables):
            raise
        try:
            await _as_writer(engine, participant, effects, restore.permuted(effects))
        except BackendError:
            await participant.backend.request(BACK_TO_BASE)
            raise


async def _run_restore(
    engine: Engine, participant: Participant, transaction: Transaction, effects: Effects
) -> None:
    if transaction.redo is not None:
        transaction.on_commit.clear()
        await transaction.redo()
        return
    statements = transaction.locks.statements() if transaction.locks is not None else []
    changes = restore.statement(effects)
    if changes is not None:
        statements.append(changes)
    if not statements:
        return
    sets = await _as_writer(engine, participant, effects, statements)
    if changes is not None and sets[-1] != [restore.expected(effects)]:
        raise BackendError({"C": "40001", "M": "rows are gone"})


async def _as_writer(
    engine: Engine, participant: Participant, effects: Effects, statements: list[str]
) -> list[list[list[str | None]]]:
    from local_dsql.occ.waiting import ask

    writer = as_writer(each.table for each in effects.tables)
    text = f"{writer}{'; '.join(statements)}; {as_client(participant.role)}"
    (answer,) = await ask(engine, participant, messages.query(text))
    return answer.row_sets()


def reopened(engine: Engine, transaction: Transaction, opened: Response) -> None:
    """Note the snapshot that `ANEW` and `OPEN` have taken."""
    transaction.sequence = engine.sequence
    transaction.snapshot_end, _ = read_opened(opened)


def read_opened(opened: Response) -> tuple[int, str]:
    """Return the end of the snapshot and the place in the log that `OPEN` answers."""
    ((end, place),) = opened.rows()
    return int(str(end)), str(place)


async def rebased(engine: Engine, participant: Participant, effects: Effects) -> None:
    """Put a doomed transaction on a fresh snapshot, with its own changes on top."""
    transaction = participant.transaction
    assert transaction is not None

    async def run(sql: str) -> None:
        from local_dsql.occ.waiting import ask

        (answer,) = await ask(engine, participant, messages.query(sql))
        if (fields := answer.error) is not None:
            raise BackendError(fields)

    for _ in range(rebase.ATTEMPTS):
        answers = await participant.backend.request(ANEW + OPEN, 2)
        reopened(engine, transaction, answers[1])
        if not effects.tables:
            break
        try:
            await run(AS_SUPERUSER.rstrip("; "))
            await rebase.force(run, effects)
            # What fails from here on must not undo the change of role, which it does to its own savepoint's.
            await run(f"{as_client(participant.role)}; SAVEPOINT local_dsql_forced")
        except BackendError as error:
            if error.sqlstate != "40001":
                raise
        else:
            break
    await settle(participant, transaction)


async def settle(participant: Participant, transaction: Transaction) -> None:
    """Repeat what the client has set since BEGIN, and open its portals again."""
    for sql in transaction.settings:
        await participant.backend.request(messages.query(sql))
    await participant.after_resuming()
