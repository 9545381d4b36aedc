"""Execute one statement of a client in its open transaction."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dsql_dialect import Kind
from local_dsql.engine import prepared, savepoints
from local_dsql.engine.deferred_checks import Interrupted, violation_at_once
from local_dsql.engine.doomed import run_doomed
from local_dsql.engine.duplicates import unseen_duplicate, violation
from local_dsql.engine.error_causes import is_unseen
from local_dsql.engine.errors import (
    CONCURRENT,
    CONFLICT,
    INTERRUPTED,
    ROW_LIMIT,
    SCHEMA_CHANGED,
    SCHEMA_ERRORS,
    SERIALIZATION_FAILURE,
    EngineError,
    lost,
    too_old,
)
from local_dsql.engine.rebase import rebase
from local_dsql.engine.requests import without
from local_dsql.engine.resume import resume
from local_dsql.engine.row_count import changes_nothing, count_rows
from local_dsql.engine.schema_changes import schema_changed
from local_dsql.engine.suspend import capture, give_way, suspend
from local_dsql.engine.unblock import ask_unblocked
from local_dsql.engine.upserts import answer_by_snapshot, is_upsert
from local_dsql.wire import messages
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.wire.messages import ServerMessage

_log = logging.getLogger(__name__)

_MOST_TRIES = 100


async def execute(held: HeldSession, request: Request) -> Response:
    """Run a statement of an open transaction, which has not failed, and return its answer.

    Afterwards the transaction may have failed, or be doomed, or be suspended.
    """
    try:
        answer = await _answer(held, request)
    except EngineError as error:
        _log.warning("a statement ends its transaction", exc_info=True)
        answer = _refused(lost(error))
    if answer.error is not None:
        held.transaction.failed = True
    await give_way(held)
    return answer


async def _answer(held: HeldSession, request: Request) -> Response:
    statement = request.statement
    refusal = None if is_ready(held) else await ensure_active(held)
    if refusal is None and statement is not None and statement.node == "ConstraintsSet":
        refusal = await _violation_at_once(held, statement)
    return _refused(refusal) if refusal is not None else await _execute(held, request)


def is_ready(held: HeldSession) -> bool:
    """Return whether the transaction is active, and nobody has changed the catalog since it began."""
    transaction = held.transaction
    return transaction.is_active and transaction.catalog_version == held.services.catalog.version


async def ensure_active(held: HeldSession) -> ServerMessage | None:
    """Resume the transaction if it is suspended; return why it cannot go on, or None."""
    transaction = held.transaction
    if transaction.expired:
        return too_old(held.services.limits.transaction_age)
    if transaction.unjudged:
        return CONFLICT
    if transaction.doomed is None and await schema_changed(held):
        return SCHEMA_CHANGED
    await resume(held)
    return None


async def _violation_at_once(held: HeldSession, statement: Statement) -> ServerMessage | None:
    for _ in range(_MOST_TRIES):
        await held.ask(savepoints.SET_GUARD)
        try:
            return await violation_at_once(held, statement)
        except Interrupted:
            await held.ask(savepoints.TO_GUARD)
            await suspend(held)
            await resume(held)
    return CONFLICT


async def _execute(held: HeldSession, request: Request) -> Response:
    transaction, services = held.transaction, held.services
    guarded = len(services.sessions) > 1 or services.commits.has_moved(transaction.commits)
    answer = await _run(held, request, guarded=guarded)
    error = answer.error
    if error is not None:
        if transaction.catalog_version != services.catalog.version and error["C"].startswith(SCHEMA_ERRORS):
            return _refused(SCHEMA_CHANGED)
        if not guarded or error["C"] not in CONCURRENT:
            return answer
        answer = without(await _after_error(held, request, answer), request.surplus)
        if answer.error is not None:
            return answer
    return await _after_success(held, request, answer, guarded=guarded)


async def _run(held: HeldSession, request: Request, *, guarded: bool) -> Response:
    """Run the statement until it is not stopped to let others through; return its answer as the client expects it."""
    if not guarded:
        (answer,) = await held.ask(request.data, bulk=True)
        return answer
    session = held.session
    data, surplus = request.data, False
    session.preemptions = 0
    for _ in range(_MOST_TRIES):
        session.interruptible = True
        answer = await _ask_guarded(held, request, data)
        session.interruptible = False
        error = answer.error
        if error is None or error["C"] not in INTERRUPTED:
            break
        await held.ask(savepoints.TO_GUARD)
        await suspend(held)
        await resume(held)
        data, surplus = request.repetition, True
    return without(answer, request.surplus) if surplus else answer


async def _ask_guarded(held: HeldSession, request: Request, data: bytes) -> Response:
    """Send a guard and the statement in one pipeline, and return the answer to the statement."""
    if request.simple or not held.session.prepared:
        _, answer = await ask_unblocked(held, savepoints.SET_GUARD + data, 2, bulk=True)
        return answer
    (answer,) = await ask_unblocked(held, prepared.SET_GUARD + data, bulk=True)
    return Response(answer.frames[prepared.GUARDED :], answer.status)


async def _after_error(held: HeldSession, request: Request, answer: Response) -> Response:
    """Return the answer to a statement that failed under its guard: its error if it is real by the snapshot.

    Otherwise the transaction has lost: it is doomed, and the statement runs again on newer rows.
    """
    transaction = held.transaction
    error = answer.error
    assert error is not None
    await held.ask(savepoints.TO_GUARD)
    if transaction.doomed is not None:
        return await run_doomed(held, request)
    if error["C"] == SERIALIZATION_FAILURE:
        settled = await answer_by_snapshot(held, request, answer)
        if settled is not None:
            return settled
    elif not await is_unseen(held, request, error):
        # The repetition's surplus is taken off by the caller, and an error has none.
        return Response([frame for frame in answer.frames if frame[0] == b"E"], answer.status)
    transaction.doomed = CONFLICT
    await rebase(held, await capture(held))
    return await run_doomed(held, request)


async def _after_success(held: HeldSession, request: Request, answer: Response, *, guarded: bool) -> Response:
    transaction, services = held.transaction, held.services
    if transaction.doomed is None and not is_ready(held) and await schema_changed(held):
        return _refused(SCHEMA_CHANGED)
    looked = False if changes_nothing(held, request) else await count_rows(held, request, answer)
    if transaction.rows > services.limits.rows:
        return _refused(ROW_LIMIT)
    if guarded and transaction.doomed is None and services.commits.has_moved(transaction.commits):
        answer, looked = await _check_duplicates(held, request, answer), True
        if answer.error is not None:
            return answer
    if looked:
        transaction.checked, transaction.uncounted = services.log.position, 0
    if request.statement is not None:
        transaction.locks_keys |= request.statement.for_key_share
        if request.statement.is_dml or request.statement.is_ddl:
            transaction.rules = transaction.rules.after(request.statement)
        if services.injector.has_predicates and request.statement.kind is not Kind.QUERY:
            transaction.statements.append(request.statement.text)
    if prepared.forgets(request.statement):
        held.session.prepared = False
    if request.sets_parameters or request.is_ddl:
        transaction.replay.append(request)
    return answer


async def _check_duplicates(held: HeldSession, request: Request, answer: Response) -> Response:
    """Return the answer to a statement that succeeded, unless by the snapshot it has made a duplicate key."""
    transaction, log = held.transaction, held.services.log
    index = await unseen_duplicate(held, await log.newer(transaction), transaction.checked)
    if index is None:
        return answer
    if not is_upsert(request):
        return _refused(violation(index))
    # PostgreSQL has inserted where the snapshot has a row.
    await held.ask(savepoints.TO_GUARD)
    settled = await answer_by_snapshot(held, request, answer)
    if settled is not None:
        return settled
    transaction.doomed = CONFLICT
    await rebase(held, await capture(held))
    return without(await run_doomed(held, request), request.surplus)


def _refused(message: ServerMessage) -> Response:
    return Response([(b"E", message.encode())], messages.FAILED)
