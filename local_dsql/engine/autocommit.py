"""Execute a statement in autocommit: it is its own transaction, in one round trip, without BEGIN and savepoints.

A check after it in the same pipeline (`log_distance`) rolls it back if it may have exceeded a limit. Then it runs again
up to a Flush, and the engine counts its rows before the Sync that commits it. The transaction is never idle, so it is
never suspended. If others commit changes of its rows, it runs again on the next snapshot: the client has seen nothing
of the first run.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.engine import log_distance, prepared, savepoints
from local_dsql.engine.answers import Answer, Finding, real, refused, succeeded
from local_dsql.engine.deadlocks import let_others_first
from local_dsql.engine.error_causes import may_handle_errors
from local_dsql.engine.errors import (
    CONFLICT,
    ROW_LIMIT,
    VIOLATIONS,
    EngineError,
    is_serialization_failure,
)
from local_dsql.engine.log_distance import Failure
from local_dsql.engine.requests import FORGET_UNNAMED, as_autocommit, strip_surplus
from local_dsql.engine.row_count import CHANGING, rows_of_tag, tag_is_exact
from local_dsql.engine.size import is_large, is_small
from local_dsql.engine.unblock import ask_unblocked, ask_unblocked_until
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.messages import ServerMessage
from local_dsql.wire.response import Response
from local_dsql.write_ahead_log.lsn import parse_lsn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.wire.frames import Frame

_MOST_TRIES = 100
"""A try is repeated each time that others commit changes of its rows. 100 short statements in a row mean a hot row; the
conflict then makes the client back off. `_PATIENCE` is the limit for longer ones."""
_PATIENCE = 5.0
"""Seconds in which a statement is repeated after others commit changes of its rows; then it has a conflict."""
_MANY = 10
"""A statement that changed more than a tenth of the row limit is expected to do so again, and is counted at once."""
_COMPLETE = b"CIEs"
"""Frames that end the answer to an Execute."""
_FAIL = messages.parse(b"fail", b"local_dsql_fail") + messages.SYNC
"""Fails, so that the Sync rolls back."""


class _Run(NamedTuple):
    """One run of the statement: its answer, and whether it wrote. None: it was rolled back and must run differently."""

    answer: Response | None
    wrote: bool = False


_OTHERWISE = _Run(None)
_AGAIN = _Run(Response([(b"E", CONFLICT.encode())], messages.IDLE))
"""Result of a statement that was rolled back and must run again as it is."""


async def execute_autocommit(held: HeldSession, request: Request) -> Answer | None:
    """Run a statement outside of a transaction block and return its answer.

    None: it must run in a transaction opened with `begin`. Nothing of it has been committed then.
    """
    services, session = held.services, held.session
    runs_elsewhere = request.is_ddl or is_large(request) or services.injector.armed()
    parts = None if runs_elsewhere else as_autocommit(request)
    if parts is None:
        return None
    services.commits.begin()
    if held.answered is None:
        session.preemptions = 0
    counts = _may_be_large(held, request)
    ran, began = _Run(None, wrote=True), time.monotonic()
    try:
        for attempt in range(_MOST_TRIES):
            preemptions = session.preemptions if held.answered is None else 0
            body, surplus = (parts.again, parts.surplus_again) if attempt else (parts.body, parts.surplus)
            ran = await (_run_counted(held, request, body) if counts else _run_checked(held, body))
            if (answer := ran.answer) is None:
                if counts:
                    return None
                counts = True
                continue
            error = answer.error
            if error is None:
                return succeeded(strip_surplus(answer, surplus))
            conflicts = is_serialization_failure(error)
            if not conflicts and not session.was_interrupted(error, preemptions):
                if error["C"] in VIOLATIONS and await may_handle_errors(held, request):
                    return None
                if request.simple:
                    await held.ask(FORGET_UNNAMED + messages.SYNC)
                    answer = _as_of_query(request, answer)
                return real(strip_surplus(answer, surplus), Finding.AUTOCOMMIT)
            if time.monotonic() - began > _PATIENCE:
                break
            await let_others_first(held, error)
        return refused(CONFLICT, messages.IDLE)
    finally:
        services.finish_commit(held.backend, wrote=ran.wrote)


def _may_be_large(held: HeldSession, request: Request) -> bool:
    """Return whether to count rows at once: COPY packs rows, and a statement that was large probably is again."""
    statement = request.statement
    if statement is None:
        return False
    return statement.takes_rows or held.session.has_many_rows(statement.text)


async def _run_checked(held: HeldSession, body: bytes) -> _Run:
    """Run the statement with the check after it."""
    session, log = held.session, held.services.log
    if (answered := held.take_answer()) is not None:
        return _read_run(held, answered.frames)
    check = log_distance.check(log.end + log_distance.allowance(held.services.limits))
    prepare = b"" if session.prepared else prepared.PREPARE
    session.interruptible = True
    (answer,) = await ask_unblocked(held, prepare + body + check + messages.SYNC)
    session.interruptible = False
    frames = answer.frames
    if prepare:
        session.prepared, frames = True, frames[prepared.PREPARED :]
    return _read_run(held, frames)


def _read_run(held: HeldSession, frames: list[Frame]) -> _Run:
    frames, distance = log_distance.read(frames)
    if distance is not None:
        held.services.log.end = distance.position
        note_committed(held, distance.xid)
        return _Run(Response(frames, messages.IDLE), wrote=distance.xid is not None)
    return _failed(held, frames)


def _failed(held: HeldSession, frames: list[Frame]) -> _Run:
    answer = Response(frames, messages.IDLE)
    error = answer.error
    assert error is not None
    failure = log_distance.failure(frames, error["C"])
    if failure is Failure.DISTANCE:
        return _OTHERWISE
    if failure is Failure.NOT_PREPARED:
        held.session.prepared = False
        return _AGAIN
    return _Run(answer if failure is Failure.STATEMENT else _refused(error))


async def _run_counted(held: HeldSession, request: Request, body: bytes) -> _Run:
    """Run the statement up to a Flush, check the limits, and commit it."""
    session, services = held.session, held.services
    beside = await services.catalog.writes_beside(held, request.statement)
    (before,) = await held.ask(savepoints.TELL)  # a first run that was rolled back has written log, too
    _, services.log.end = _told(before)
    session.interruptible = True
    answer = await ask_unblocked_until(held, body + messages.FLUSH, _COMPLETE)
    session.interruptible = False
    if answer.error is not None:
        await held.ask(messages.SYNC)
        return _Run(Response(answer.frames, messages.IDLE))
    exact = tag_is_exact(request, answer) and not beside
    try:
        rows = rows_of_tag(answer) if exact else await _logged_rows(held)
    except EngineError:
        await held.ask(_FAIL)
        return _OTHERWISE
    if rows > services.limits.rows:
        await held.ask(_FAIL)
        return _Run(_refused(ROW_LIMIT)) if exact else _OTHERWISE
    if not is_small(services.limits, rows) and await _may_be_too_large(held):
        await held.ask(_FAIL)
        return _OTHERWISE
    if request.statement is not None:
        session.note_rows(request.statement.text, many=rows * _MANY > services.limits.rows)
    return await _end(held, answer)


async def _logged_rows(held: HeldSession) -> int:
    """Return the number of rows in all tables that the statement has changed, from the log."""
    xid, _ = await _tell(held)
    if xid is None:
        return 0
    own = await held.services.log.operations(held.backend.pid)
    return sum(each.kind in CHANGING for each in own.operations)


async def _may_be_too_large(held: HeldSession) -> bool:
    """Return whether the statement may have exceeded the size limit.

    The growth of the log since the engine read it last is an upper bound, and costs one round trip.
    """
    (_, position), log = await _tell(held), held.services.log
    grown, log.end = position - log.end, position
    return grown > held.services.limits.bytes


async def _tell(held: HeldSession) -> tuple[int | None, int]:
    """Return the number of the transaction, if it has one, and the position in the log."""
    return _told(await held.backend.request_until(savepoints.TELL_OPEN, _COMPLETE))


def _told(answer: Response) -> tuple[int | None, int]:
    ((xid, position),) = answer.rows()
    return int(xid) if xid is not None else None, parse_lsn(str(position))


async def _end(held: HeldSession, answer: Response) -> _Run:
    """Commit."""
    (end,) = await ask_unblocked(held, savepoints.TELL)
    if (error := end.error) is not None:
        return _Run(_refused(error))
    notices = [frame for frame in end.frames if frame[0] == b"N"]
    xid, held.services.log.end = _told(end)
    note_committed(held, xid)
    return _Run(Response([*answer.frames, *notices], messages.IDLE), wrote=xid is not None)


def note_committed(held: HeldSession, xid: int | None) -> None:
    """Record for the conflict log which session has committed a transaction."""
    if xid is not None:
        held.services.conflict_log.committed(xid, held.session.label)


def _as_of_query(request: Request, failed: Response) -> Response:
    """Return the answer to a failed statement as to a Query: a write describes its rows only after it has run."""
    if request.statement is None or not request.statement.is_dml:
        return failed
    return without_description(failed)


def without_description(answer: Response) -> Response:
    """Return an answer without RowDescription."""
    frames = [frame for frame in answer.frames if frame[0] != BackendMessage.ROW_DESCRIPTION]
    return Response(frames, answer.status)


def _refused(error: ServerMessage | Mapping[str, str]) -> Response:
    raw = error.encode() if isinstance(error, ServerMessage) else messages.error(error)
    return Response([(b"E", raw)], messages.IDLE)
