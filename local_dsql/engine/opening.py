"""Begin and end transactions: BEGIN, the base savepoint and the snapshot take one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import prepared, savepoints
from local_dsql.engine.errors import INVALID_STATEMENT_NAME
from local_dsql.engine.transaction import Transaction
from local_dsql.write_ahead_log.lsn import parse_lsn
from local_dsql.write_ahead_log.snapshot import Snapshot

if TYPE_CHECKING:
    from local_dsql.engine.session import HeldSession, Services
    from local_dsql.wire.response import Response


async def begin(held: HeldSession, request: bytes, *, implicit: bool) -> Response:
    """Run a BEGIN and open the transaction unless it fails; return the answer to the BEGIN.

    `request` are the messages of the BEGIN. It must ask for REPEATABLE READ, or for no isolation level.
    """
    services = held.services
    await services.turns.take(held.session)
    keeps, mark = services.log.position, services.commits.mark
    alone = not services.others_are_open(held.session)
    services.opening += 1
    try:
        answer, opened = await _ask(held, request)
    finally:
        services.opening -= 1
    if answer.error is not None:
        services.turns.give_back(held.session)
        return answer
    snapshot, start = read_opened(opened)
    quiet = mark >= 0 and not services.commits.has_moved(mark)
    if alone and quiet:
        services.log.skip(start)  # no transaction is open that could have written before
        keeps = start
    held.session.transaction = Transaction(
        implicit, request, snapshot, keeps, start, mark, services.catalog.version
    )
    return answer


async def _ask(held: HeldSession, request: bytes) -> list[Response]:
    """Run a BEGIN and `prepared.OPEN`; return both answers."""
    session = held.session
    if session.prepared:
        answers = await held.ask(request + prepared.OPEN, 2)
        error = answers[1].error
        if error is None or error["C"] != INVALID_STATEMENT_NAME:
            return answers
        await held.ask(savepoints.ROLLBACK)
    session.prepared = True
    return await held.ask(request + prepared.PREPARE + prepared.OPEN, 2)


def read_opened(answer: Response) -> tuple[Snapshot, int]:
    """Return the snapshot, and the position in the log, of the answer to `savepoints.OPEN`.

    Raises:
        BackendError: it is an error.
    """
    ((snapshot, position),) = answer.rows()
    return Snapshot.parse(str(snapshot)), parse_lsn(str(position))


def close(held: HeldSession) -> None:
    """Forget the transaction. `forget_unneeded` drops the part of the log that was kept for it."""
    held.session.transaction = None
    held.session.suspend_wanted = False
    held.session.report_withheld()
    held.services.turns.give_back(held.session)


def forget_unneeded(services: Services) -> None:
    """Drop the committed changes that the snapshots of all open transactions show."""
    open_ones = [other.transaction for other in services.sessions.values() if other.transaction is not None]
    if open_ones and not services.opening:
        xmin = min(each.first_snapshot.xmin for each in open_ones)
        services.log.forget(xmin, min(each.keeps for each in open_ones))
