"""Execute one statement of a client in its open transaction."""

from __future__ import annotations

import contextlib
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
    ROW_LIMIT,
    ROWS_WITH_DDL,
    SCHEMA_CHANGED,
    SCHEMA_ERRORS,
    SERIALIZATION_FAILURE,
    EngineError,
    lost,
    too_old,
)
from local_dsql.engine.newer_rows import may_have_caused, note_told
from local_dsql.engine.rebase import rebase
from local_dsql.engine.requests import without
from local_dsql.engine.resume import resume
from local_dsql.engine.row_count import changes_nothing, count_rows
from local_dsql.engine.schema_changes import schema_changed
from local_dsql.engine.size import too_large
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
    if (error_fields := answer.error) is not None:
        if error_fields["C"] == SERIALIZATION_FAILURE and not held.transaction.unjudged:
            with contextlib.suppress(EngineError):  # the log can do without the names of the tables
                await note_told(held, request.statement, error_fields)
        held.transaction.failed = True
    await give_way(held)
    return answer


async def try_out(held: HeldSession, request: Request) -> Response:
    """Run a statement of an active transaction, undo it, and return its answer."""
    answer = await _run(held, request, guarded=True)
    await held.ask(savepoints.TO_GUARD)
    return answer


async def _answer(held: HeldSession, request: Request) -> Response:
    statement = request.statement
    refusal = None if is_ready(held) else await ensure_active(held)
    if refusal is None and statement is not None and statement.node == "ConstraintsSet":
        refusal = await _violation_at_once(held, statement)
    return _refused(refusal) if refusal is not None else await _execute(held, request)


def is_ready(held: HeldSession) -> bool:
    """Return whether the transaction is active, and no session has changed the catalog since it began."""
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
    alone = len(services.sessions) < 2 and transaction.doomed is None
    guarded = held.answered is not None or not alone or services.commits.has_moved(transaction.commits)
    answer = await _run(held, request, guarded=guarded)
    error = answer.error
    if error is not None:
        if transaction.catalog_version != services.catalog.version and error["C"].startswith(SCHEMA_ERRORS):
            return _refused(SCHEMA_CHANGED)
        if not guarded or (error["C"] not in CONCURRENT and transaction.doomed is None):
            return answer
        answer = await _after_error(held, request, answer)
        if answer.error is not None:
            return answer
    return await _after_success(held, request, answer, guarded=guarded)


async def _run(held: HeldSession, request: Request, *, guarded: bool) -> Response:
    """Run the statement until it is not stopped to let others through; return its answer as the client expects it."""
    if not guarded:
        (answer,) = await held.ask(request.data, bulk=True)
        return without(answer, request.surplus) if request.undone else answer
    session = held.session
    data, surplus = request.data, request.undone
    if held.answered is None:
        session.preemptions = 0
    for _ in range(_MOST_TRIES):
        preemptions = session.preemptions if held.answered is None else 0
        session.interruptible = not request.continues  # rows of its portal may have been sent
        answer = await _ask_guarded(held, request, data)
        session.interruptible = False
        error = answer.error
        if error is None or not session.was_interrupted(error, preemptions):
            break
        await held.ask(savepoints.TO_GUARD)
        await suspend(held)
        await resume(held)
        data, surplus = request.repetition, True
    return without(answer, request.surplus) if surplus else answer


async def _ask_guarded(held: HeldSession, request: Request, data: bytes) -> Response:
    """Send a guard and the statement in one pipeline, and return the answer to the statement."""
    if (answered := held.take_answer()) is not None:
        return answered
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
        return await _run_doomed(held, request, answer)
    if error["C"] == SERIALIZATION_FAILURE:
        settled = await answer_by_snapshot(held, request, answer)
        if settled is not None:
            return settled
    elif not await is_unseen(held, request, error):
        return answer
    return await _doom(held, request)


async def _run_doomed(held: HeldSession, request: Request, answer: Response | None) -> Response:
    """Return the answer to a statement of a doomed transaction that first failed with `answer`, if it did."""
    error = answer.error if answer is not None else None
    if answer is None or (error is not None and error["C"] in CONCURRENT):
        answer = without(await run_doomed(held, request), request.surplus)
        error = answer.error
    if error is not None and await may_have_caused(held, request.statement, error):
        return _refused(CONFLICT)
    return answer


async def _doom(held: HeldSession, request: Request) -> Response:
    """Doom the transaction, and return the answer to the statement that has shown that it has lost."""
    held.transaction.doomed = CONFLICT
    await rebase(held, await capture(held))
    return await _run_doomed(held, request, None)


async def _after_success(held: HeldSession, request: Request, answer: Response, *, guarded: bool) -> Response:
    transaction, services = held.transaction, held.services
    if transaction.doomed is None and not is_ready(held) and await schema_changed(held):
        return _refused(SCHEMA_CHANGED)
    if (oversize := await too_large(held, request)) is not None:
        return _refused(oversize)
    looked = False if changes_nothing(held, request) else await count_rows(held, request, answer)
    if transaction.rows > services.limits.rows:
        return _refused(ROW_LIMIT)
    if transaction.rows and (transaction.changes_catalog or request.is_ddl):
        return _refused(ROWS_WITH_DDL)
    if guarded and transaction.doomed is None and services.commits.has_moved(transaction.commits):
        answer, looked = await _check_duplicates(held, request, answer), True
        if answer.error is not None:
            return answer
    if looked:
        transaction.checked, transaction.uncounted = services.log.position, 0
    _note(held, request)
    return answer


def _note(held: HeldSession, request: Request) -> None:
    """Note what the rest of the transaction must know of a request that has succeeded."""
    transaction = held.transaction
    if request.statement is not None:
        note_statement(held, request.statement)
    transaction.changes_catalog |= request.is_ddl
    if prepared.forgets(request.statement):
        held.session.prepared = False
    if request.sets_parameters or request.is_ddl:
        transaction.replay.append(request)


def note_statement(held: HeldSession, statement: Statement) -> None:
    """Note what the rest of the transaction must know of a statement that has succeeded."""
    transaction = held.transaction
    transaction.locks_keys |= statement.for_key_share
    if statement.is_dml or statement.is_ddl:
        transaction.rules = transaction.rules.after(statement)
    if held.services.injector.has_predicates and statement.kind is not Kind.SESSION:
        transaction.statements.append(statement.text)


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
    return await _doom(held, request)


def _refused(message: ServerMessage) -> Response:
    return Response([(b"E", message.encode())], messages.FAILED)
