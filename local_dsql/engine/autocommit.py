"""Execute a lone statement: it is its own transaction, one round trip and a Sync, without BEGIN and savepoints.

It is sent up to a Flush, so that PostgreSQL tells what it has done, and commits at the Sync that follows: a statement
that has changed too many rows fails before that. It is never idle, so nothing is ever suspended. If others commit over
its rows it runs again on the next snapshot: nothing of it has been shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.errors import (
    CONFLICT,
    INTERRUPTED,
    ROW_LIMIT,
    SERIALIZATION_FAILURE,
)
from local_dsql.engine.requests import lone, without
from local_dsql.engine.row_count import CHANGING, rows_of_tag, tag_is_exact
from local_dsql.engine.size import is_large, is_small
from local_dsql.engine.unblock import ask_unblocked, ask_unblocked_until
from local_dsql.wire import messages
from local_dsql.wire.response import Response
from local_dsql.write_ahead_log.lsn import parse_lsn

if TYPE_CHECKING:
    from local_dsql.engine.requests import LoneRequest, Request
    from local_dsql.engine.session import HeldSession

_MOST_TRIES = 100
_FLUSH = messages.frame(b"H")
_COMPLETE = b"CIEs"
"""Frames that end the answer to an Execute."""
_FAIL = messages.frame(b"P", b"local_dsql_fail\0fail\0\0\0") + messages.SYNC
"""Fails, so that the Sync rolls back."""


async def execute_alone(held: HeldSession, request: Request) -> Response | None:
    """Run a statement outside of a transaction block and return its answer.

    None: it has to run in a transaction of its own, opened with `begin`. Nothing of it has been committed then.
    """
    services, session = held.services, held.session
    parts = lone(request)
    if parts is None or request.is_ddl or is_large(request) or services.injector.armed():
        return None
    beside = await services.catalog.writes_beside(held)
    services.commits.begin()
    session.preemptions = 0
    wrote = True
    try:
        for attempt in range(_MOST_TRIES):
            answer, wrote = await _try(held, request, parts, again=attempt > 0, beside=beside)
            if answer is None:
                return None
            error = answer.error
            if error is None or error["C"] not in INTERRUPTED | {SERIALIZATION_FAILURE}:
                return answer
        return Response([(b"E", CONFLICT.encode())], messages.IDLE)
    finally:
        services.commits.finish(wrote=wrote)


async def _try(
    held: HeldSession, request: Request, parts: LoneRequest, *, again: bool, beside: bool
) -> tuple[Response | None, bool]:
    """Run the statement once; return its answer, None if it is undone and must be counted, and whether it wrote."""
    session = held.session
    body, surplus = (parts.again, parts.surplus_again) if again else (parts.body, parts.surplus)
    session.interruptible = True
    answer = await ask_unblocked_until(held, body + _FLUSH, _COMPLETE)
    session.interruptible = False
    await session.cancelled()
    if answer.error is not None:
        await held.ask(messages.SYNC)
        return without(answer, surplus), False
    exact = tag_is_exact(request, answer) and not beside
    rows = rows_of_tag(answer) if exact else await _logged_rows(held)
    if rows > held.services.limits.rows:
        await held.ask(_FAIL)
        return (_row_limit() if exact else None), False
    if not is_small(held.services.limits, rows) and await _may_be_large(held):
        await held.ask(_FAIL)
        return None, False
    return await _end(held, without(answer, surplus))


async def _logged_rows(held: HeldSession) -> int:
    """Return how many rows of any table the log shows the statement to have changed."""
    answer = await held.backend.request_until(savepoints.TELL_OPEN + _FLUSH, _COMPLETE)
    if answer.rows() == [[None]]:
        return 0
    own = await held.services.log.operations(held.backend.pid)
    return sum(each.kind in CHANGING for each in own.operations)


async def _may_be_large(held: HeldSession) -> bool:
    """Return whether the statement may have made more bytes of rows than a transaction may.

    What the log has grown since the engine read it last bounds that, and costs no more than a round trip.
    """
    answer = await held.backend.request_until(savepoints.TELL_POSITION + _FLUSH, _COMPLETE)
    grown = parse_lsn(str(answer.rows()[0][0])) - held.services.log.position
    return grown > held.services.limits.bytes


def _row_limit() -> Response:
    return Response([(b"E", ROW_LIMIT.encode())], messages.IDLE)


async def _end(held: HeldSession, answer: Response) -> tuple[Response, bool]:
    """Commit; return the answer and whether anything was written."""
    services = held.services
    tell = services.others_are_open(held.session)
    (end,) = await ask_unblocked(held, savepoints.TELL if tell else messages.SYNC)
    if (error := end.error) is not None:
        return Response([(b"E", messages.error(error))], messages.IDLE), False
    wrote = True
    if tell:
        ((xid,),) = end.rows()
        wrote = xid is not None
        if xid is not None:
            services.conflict_log.committed(int(xid), held.session.label)
    notices = [frame for frame in end.frames if frame[0] == b"N"]
    return Response([*answer.frames, *notices], messages.IDLE), wrote
