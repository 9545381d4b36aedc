"""Statements that would wait, and getting out of their way whoever they would wait for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from local_dsql.occ.effects import holdings
from local_dsql.occ.parking import park
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.occ.effects import Holding
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.wire.response import Response

_PAUSES = (0.0, 0.0, 0.0, 0.001, 0.001, 0.002, 0.004)
"""Seconds between looks at who blocks a statement; the last goes on. A look itself takes about 0.2 ms."""


async def ask(
    engine: Engine,
    participant: Participant,
    data: bytes,
    answers: int = 1,
    *,
    exclusive: bool = False,
    bulk: bool = False,
) -> list[Response]:
    """Send a request that may need locks, and park every transaction that it would wait for.

    The engine's mutex and the turn of the participant's backend must be held. `exclusive` is for DDL: readers may be
    in the way too, and whoever has written is parked beforehand, because its tables cannot be read any more once
    the DDL statement waits for them. `bulk` is as in `Backend.ask`.
    """
    backend = participant.backend
    if exclusive:
        for other, transaction in engine.others(participant):
            if transaction.holds:
                await park(engine, other)
    if not any(exclusive or other.holds for _, other in engine.others(participant)):
        return await backend.request(data, answers, bulk=bulk)
    asking = asyncio.ensure_future(backend.request(data, answers, bulk=bulk))
    try:
        await _clear_the_way(engine, participant, asking)
    except BaseException:
        asking.cancel()
        raise
    return await asking


async def _clear_the_way(
    engine: Engine, participant: Participant, asking: asyncio.Future[list[Response]]
) -> None:
    looks = 0
    holders: dict[str, None] = {}
    pid = participant.backend.pid
    began = ended = time.monotonic()
    while True:
        pause = _PAUSES[min(looks, len(_PAUSES) - 1)]
        await asyncio.wait({asking}, timeout=pause)
        if asking.done():
            engine.waits.note(participant, holders, began, ended)
            return
        looks += 1
        for holding in await holdings(engine.control, f"pg_blocking_pids({pid})"):
            holder = engine.find(holding.pid)
            if holder is not None and not asking.done():
                holders[holder.label] = None
                await _clear_away(engine, holder, holding)
                ended = time.monotonic()
                looks = 0


async def _clear_away(engine: Engine, holder: Participant, holding: Holding) -> None:
    """Park a transaction, or let it commit if it is about to.

    A COMMIT with deferred checks is left in the queue: it may have to wait for the very statement that it blocks.
    """
    ending, transaction = holder.ending, holder.transaction
    live = transaction is not None and transaction.parked is None
    if ending is not None and live and not (await engine.tables.current(engine.catalog)).defers:
        # Its client may hang up meanwhile; that must not look like the end of whoever has come this way.
        with contextlib.suppress(ConnectionLost):
            await ending.now()
    else:
        await park(engine, holder, holding)
