"""Begin and end transactions: BEGIN, the base savepoint and the snapshot take one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import prepared, savepoints
from local_dsql.engine.errors import INVALID_STATEMENT_NAME
from local_dsql.engine.transaction import Transaction
from local_dsql.wire import messages
from local_dsql.write_ahead_log.lsn import parse_lsn
from local_dsql.write_ahead_log.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql.engine.session import HeldSession, Services
    from local_dsql.wire.response import Response


_FAR = 2 * 1024
"""Bytes of unread log that are skipped at a BEGIN; fewer are read when they are needed."""


class Opening:
    """A BEGIN in progress: what is known before it is sent."""

    __slots__ = ("_alone", "_held", "_keeps", "_mark")

    def __init__(self, held: HeldSession) -> None:
        services = held.services
        self._held = held
        self._keeps, self._mark = services.log.position, services.commits.mark
        self._alone = not services.others_are_open(held.session)
        services.opening += 1

    def answered(self) -> None:
        """Note that PostgreSQL has answered, or will not."""
        self._held.services.opening -= 1

    def open(self, begin: bytes, opened: Sequence[str | None], *, implicit: bool) -> None:
        """Open the transaction, given the BEGIN and the row of `savepoints.OPENED`."""
        held, keeps, mark = self._held, self._keeps, self._mark
        services = held.services
        snapshot, start = _read_opened(opened)
        services.log.end = max(services.log.end, start)
        if (
            start - services.log.position > _FAR
            and self._is_alone()
            and mark >= 0
            and not services.commits.has_moved(mark)
        ):
            services.log.skip(start)  # no transaction is open that could have written before
            keeps = start
        held.session.open(
            Transaction(implicit, begin, snapshot, keeps, start, mark, services.catalog.version)
        )

    def _is_alone(self) -> bool:
        """Return whether no other transaction is open, or was when the BEGIN was sent."""
        return self._alone and not self._held.services.others_are_open(self._held.session)


async def begin(held: HeldSession, request: bytes, *, implicit: bool) -> Response:
    """Run a BEGIN and open the transaction unless it fails; return the answer to the BEGIN.

    `request` are the messages of the BEGIN. It must ask for REPEATABLE READ, or for no isolation level.
    """
    services = held.services
    await services.turns.take(held.session)
    opening = Opening(held)
    try:
        answer, opened = await _ask(held, request)
    finally:
        opening.answered()
    if answer.error is not None:
        services.turns.give_back(held.session)
        return answer
    opening.open(request, *opened.rows(), implicit=implicit)
    return answer


async def reopen(held: HeldSession, request: bytes, sql: str) -> Response:
    """Open a transaction anew in which only SET has run, with one more BEGIN; return the answer to that.

    PostgreSQL changes the modes of a transaction before its first savepoint and snapshot only, which the engine takes
    at once. `request` are the messages of the BEGIN `sql`.
    """
    transaction = held.transaction
    begin = transaction.begin + messages.query(sql)
    opening = Opening(held)
    try:
        *_, answer, opened = await held.ask(
            savepoints.ROLLBACK + transaction.begin + request + savepoints.OPEN, 3 + transaction.begins
        )
    finally:
        opening.answered()
    if answer.error is None:
        opening.open(begin, *opened.rows(), implicit=False)
        held.transaction.begins = transaction.begins + 1
        held.transaction.replay = transaction.replay  # the caller runs it again
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
    return _read_opened(*answer.rows())


def _read_opened(row: Sequence[str | None]) -> tuple[Snapshot, int]:
    snapshot, position = row
    return Snapshot.parse(str(snapshot)), parse_lsn(str(position))


def close(held: HeldSession) -> None:
    """Forget the transaction. `forget_unneeded` drops the part of the log that was kept for it."""
    held.session.close()
    held.session.suspend_wanted = False
    held.session.report_withheld()
    held.services.turns.give_back(held.session)


def forget_unneeded(services: Services) -> None:
    """Drop the committed changes that the snapshots of all open transactions show."""
    open_ones = [session.transaction for session in services.open if session.transaction is not None]
    if open_ones and not services.opening:
        xmin = min(each.first_snapshot.xmin for each in open_ones)
        services.log.forget(xmin, min(each.keeps for each in open_ones))
