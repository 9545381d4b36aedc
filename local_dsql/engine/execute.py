"""Execute one statement of a client in its open transaction."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from dsql_dialect import Kind
from local_dsql.engine import prepared, savepoints
from local_dsql.engine.answers import Answer, Finding, passed_on, real, refused, succeeded
from local_dsql.engine.deferred_checks import violation_at_once
from local_dsql.engine.doomed import run_doomed
from local_dsql.engine.duplicates import first_duplicate, unique_violation, unseen_duplicates
from local_dsql.engine.error_causes import (
    find_real,
    may_handle_errors,
    may_upsert,
    others_have_made_rows,
    run_with_handlers,
)
from local_dsql.engine.errors import (
    CONCURRENT,
    CONFLICT,
    ROW_LIMIT,
    ROWS_WITH_DDL,
    SCHEMA_CHANGED,
    SERIALIZATION_FAILURE,
    VIOLATIONS,
    EngineError,
    Interrupted,
    is_raised,
    is_serialization_failure,
    lost,
    too_old,
)
from local_dsql.engine.hidden_settings import keep_before_set
from local_dsql.engine.newer_rows import has_moved, log_reported_conflict, may_have_caused
from local_dsql.engine.owner_functions import roles_dropped
from local_dsql.engine.procedures import with_hint
from local_dsql.engine.rebase import rebase, take_turn
from local_dsql.engine.requests import renamed, strip_surplus
from local_dsql.engine.resume import resume, step_aside
from local_dsql.engine.row_count import changes_nothing, count_rows
from local_dsql.engine.schema_changes import concerns_catalog, schema_changed
from local_dsql.engine.size import too_large
from local_dsql.engine.suspend import capture, give_way, keep_portals
from local_dsql.engine.unblock import ask_unblocked
from local_dsql.engine.upserts import Rest, is_upsert, may_be_nested, may_differ, settle
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession, Services
    from local_dsql.engine.transaction import Transaction
    from local_dsql.wire.messages import ServerMessage

T = TypeVar("T")
Attempt = Callable[["HeldSession", "Request"], Awaitable[T]]

_log = logging.getLogger(__name__)

_MOST_TRIES = 100


async def execute(held: HeldSession, request: Request) -> Answer:
    """Run a statement of an open transaction, which has not failed, and return its answer.

    Afterwards the transaction may be failed, doomed or suspended.
    """
    try:
        answer = await _answer(held, request)
    except EngineError as error:
        _log.warning("a statement ends its transaction", exc_info=True)
        answer = refused(lost(error))
    if (error_fields := answer.error) is not None:
        if error_fields["C"] == SERIALIZATION_FAILURE and not held.transaction.log_lost:
            with contextlib.suppress(EngineError):  # then the conflict log lacks the names of the tables
                await log_reported_conflict(held, request.statement, error_fields)
        held.transaction.failed = True
        answer = with_hint(request.statement, answer)
    await give_way(held)
    return answer


async def try_out(held: HeldSession, request: Request) -> Response:
    """Run a statement of an active transaction, undo it, and return its answer."""

    async def attempt(held: HeldSession, request: Request) -> Response:
        answer = await _run(held, request)
        await held.ask(savepoints.TO_GUARD)
        return answer

    return await _uninterrupted(held, request, attempt)


async def _answer(held: HeldSession, request: Request) -> Answer:
    statement = request.statement
    refusal = None if is_ready(held.transaction, held.services) else await ensure_active(held)
    if refusal is None and statement is not None and statement.node == "ConstraintsSet":
        refusal = await _uninterrupted(held, request, _violation_at_once)
    if refusal is not None:
        return refused(refusal)
    if request.sets_parameters and held.has_run_statements:
        await keep_before_set(held)
    if statement is not None and (roles := roles_dropped(statement)):
        await held.services.owner_functions.remove(roles)
    if request.is_ddl:
        held.services.catalog.changing.add(held.session)
    for meter in list(held.services.meters) if request.is_ddl else ():
        await meter.before_ddl()
    if held.answered is None:
        held.session.preemptions = 0
    return await _uninterrupted(held, request, _execute)


async def _uninterrupted(held: HeldSession, request: Request, attempt: Attempt[T]) -> T:
    """Return the result of an attempt that is not stopped to let others through; each works under a guard.

    Raises:
        EngineError: others are in its way all the time.
    """
    for _ in range(_MOST_TRIES):
        try:
            return await attempt(held, request)
        except Interrupted as stop:
            await step_aside(held, stop.fields)
            await resume(held)
            request = replace(request, undone=True)
    raise EngineError("others are in the way of a statement all the time")


def is_ready(transaction: Transaction, services: Services) -> bool:
    """Return whether a transaction is active, and no session has changed the catalog since it began."""
    return transaction.is_active and transaction.catalog_version == services.catalog.version


async def ensure_active(held: HeldSession) -> ServerMessage | None:
    """Resume the transaction if it is suspended; return the reason if it cannot continue.

    Code of clients may refuse rows that it has accepted before, so an error of the engine is a conflict here, too.
    """
    transaction = held.transaction
    if transaction.expired:
        return too_old(held.services.limits.transaction_age)
    if transaction.log_lost:
        return CONFLICT
    if transaction.doomed is None and await schema_changed(held):
        return SCHEMA_CHANGED
    try:
        await resume(held)
    except EngineError as error:
        _log.warning("a transaction cannot be resumed", exc_info=True)
        return lost(error)
    return None


async def _violation_at_once(held: HeldSession, request: Request) -> ServerMessage | None:
    assert request.statement is not None
    await held.ask(savepoints.SET_GUARD)
    return await violation_at_once(held, request.statement)


async def _execute(held: HeldSession, request: Request) -> Answer:
    """Run the statement once.

    Raises:
        Interrupted: it was stopped under its guard.
    """
    return await _judge(held, request, await _run(held, request))


async def _judge(held: HeldSession, request: Request, answer: Response) -> Answer:
    """Return the client's answer to a statement that PostgreSQL has answered.

    Raises:
        Interrupted: the statement was stopped when it ran again.
    """
    if (error := answer.error) is not None:
        if is_raised(error):
            return real(answer, Finding.RAISED)
        if concerns_catalog(held, error):
            return refused(SCHEMA_CHANGED)
    if is_upsert(request) and (settled := await _settle_upsert(held, request, answer)) is not None:
        return settled
    if error is not None:
        if error["C"] not in CONCURRENT and held.transaction.doomed is None and not has_moved(held):
            return passed_on(answer)
        answer = judged = await _after_error(held, request, answer)
        if judged.error is not None:
            return judged
    return await _after_success(held, request, answer)


async def _run(held: HeldSession, request: Request) -> Response:
    """Run the statement after a guard and return PostgreSQL's answer, with the frames that the client expects.

    The guard is there without another session, too: one may connect, and take a row, while the statement runs.

    Raises:
        Interrupted: it was stopped under its guard.
    """
    session = held.session
    preemptions = session.preemptions if held.answered is None else 0
    session.interruptible = not request.continues  # rows of its portal have been sent
    answer = await _ask_guarded(held, request)
    session.interruptible = False
    if (error := answer.error) is not None and session.was_interrupted(error, preemptions):
        if request.continues:
            return refused(CONFLICT)
        raise Interrupted(error)
    return strip_surplus(answer, request.surplus) if request.undone else answer


async def _ask_guarded(held: HeldSession, request: Request) -> Response:
    """Send a guard and the statement in one pipeline, and return the answer to the statement."""
    if (answered := held.take_answer()) is not None:
        return answered
    if request.simple or not held.session.prepared:
        _, answer = await ask_unblocked(held, savepoints.SET_GUARD + request.data, 2, bulk=True)
        return answer
    (answer,) = await ask_unblocked(held, prepared.SET_GUARD + request.data, bulk=True)
    return Response(answer.frames[prepared.GUARDED :], answer.status)


async def _after_error(held: HeldSession, request: Request, answer: Response) -> Answer:
    """Return the answer to a statement that failed under its guard: its error if it is real by the snapshot.

    Otherwise the transaction has a conflict. It becomes doomed, and the statement runs again on newer rows.
    """
    error = answer.error
    assert error is not None
    await held.ask(savepoints.TO_GUARD)
    if request.continues:
        return passed_on(answer)  # run again, it would read its portal from the first row
    if held.transaction.doomed is not None:
        return await _answer_as_doomed(held, request, answer)
    if error["C"] == SERIALIZATION_FAILURE:
        return await _doom(held, request)
    if await may_be_nested(held, request, error):
        return refused(CONFLICT)
    if error["C"] not in CONCURRENT:
        return passed_on(answer)
    if handled := await _handled(held, request, error):
        return handled
    if (found := await find_real(held, request, answer)) is not None:
        return found
    return await _doom(held, request)


async def _settle_upsert(held: HeldSession, request: Request, told: Response) -> Answer | None:
    """Return the answer by the snapshot to an upsert, None if PostgreSQL's is that of the snapshot, or a conflict."""
    if request.arbiters is not None or request.continues or not await may_differ(held, request, told):
        return None
    await held.ask(savepoints.TO_GUARD)
    settled = await settle(held, request, told)
    if isinstance(settled, Rest):
        return await _run_rest(held, settled)
    if isinstance(settled, Answer):
        return settled
    lost = told.error is None or told.error["C"] == SERIALIZATION_FAILURE
    if settled is None:
        return None if lost and told.error is not None else refused(CONFLICT)
    if lost:
        doomed = await _doom(held, request)
        return await _after_success(held, request, doomed) if doomed.error is None else refused(CONFLICT)
    if settled.before is not None:
        answer = await _run_rest(held, settled.before)
        if answer.error is not None:
            return answer
    return refused(CONFLICT)


async def _run_rest(held: HeldSession, rest: Rest) -> Answer:
    return rest.answer(held, await _judge(held, rest.request, await _run(held, rest.request)))


async def _handled(held: HeldSession, request: Request, error: Mapping[str, str]) -> Answer | None:
    """Return the answer to a statement whose handlers run for every violation; None if no handler changes the answer.

    The transaction must be at its guard, and is there again if the answer is None.
    """
    if error["C"] not in VIOLATIONS or not await may_handle_errors(held, request):
        return None
    _, answer = await run_with_handlers(held, request)
    again = answer.error
    others = await others_have_made_rows(held)
    if others and again is not None and again["C"] in VIOLATIONS:
        return None
    conflicts = again is not None and is_serialization_failure(again)
    if others or conflicts:  # a handler may have run for a row of others
        await held.ask(savepoints.TO_GUARD)
        return await _doom(held, request)
    if again is None:
        return succeeded(strip_surplus(answer, request.surplus))
    return real(strip_surplus(answer, request.surplus), Finding.NOTHING_NEWER)


async def _answer_as_doomed(held: HeldSession, request: Request, failed: Response | None) -> Answer:
    """Return the answer to a statement of a doomed transaction whose first answer was the error `failed`, if any."""
    error = failed.error if failed is not None else None
    if failed is None or (error is not None and error["C"] in CONCURRENT):
        answer = await run_doomed(held, request)
    else:
        answer = passed_on(failed)
    error = answer.error
    if error is not None and await may_have_caused(held, request.statement, error):
        return refused(CONFLICT)
    return answer


async def _doom(held: HeldSession, request: Request) -> Answer:
    """Doom the transaction, and return the answer to the statement that has shown that it has lost."""
    if request.continues:
        return refused(CONFLICT)
    held.transaction.doomed = CONFLICT
    await keep_portals(held, undone=True)
    changes = await capture(held)
    if held.services.turns.are_taken:
        await held.ask(savepoints.TO_BASE)
        await take_turn(held)
    await rebase(held, changes)
    await held.session.portals.after_resume(held.backend)
    return await _answer_as_doomed(held, request, None)


async def _after_success(held: HeldSession, request: Request, response: Response) -> Answer:
    transaction, services = held.transaction, held.services
    if transaction.doomed is None and not is_ready(transaction, services) and await schema_changed(held):
        return refused(SCHEMA_CHANGED)
    if (oversize := await too_large(held, request)) is not None:
        return refused(oversize)
    answer = succeeded(response)
    moved = transaction.doomed is None and has_moved(held)
    if moved:
        answer = await _check_duplicates(held, request, response)
        if answer.error is not None:
            return answer
    # The statement is not run again from here on, so its rows are counted once.
    looked = False if changes_nothing(held, request) else await count_rows(held, request, answer)
    if transaction.rows > services.limits.rows:
        return refused(ROW_LIMIT)
    if transaction.rows and (transaction.changes_catalog or request.is_ddl):
        return refused(ROWS_WITH_DDL)
    if looked or moved:
        transaction.checked, transaction.uncounted = services.log.position, 0
    _note(held, request)
    return answer


def _note(held: HeldSession, request: Request) -> None:
    """Record a request that has succeeded in the state of its transaction."""
    transaction = held.transaction
    if request.statement is not None:
        note_statement(held, request.statement)
    transaction.changes_catalog |= request.is_ddl
    if prepared.forgets(request.statement):
        held.session.prepared = False
    if request.sets_parameters or request.is_ddl:
        transaction.replay.append(renamed(request))


def note_statement(held: HeldSession, statement: Statement) -> None:
    """Record a statement that has succeeded in the state of its transaction."""
    transaction = held.transaction
    traits = statement.traits
    transaction.locks_keys |= traits.for_key_share
    transaction.locks_rows |= traits.for_update
    if statement.is_dml or statement.is_ddl:
        transaction.rules = transaction.rules.after(statement)
    if held.services.injector.has_predicates and statement.kind is not Kind.SESSION:
        transaction.statements.append(statement.text)


async def _check_duplicates(held: HeldSession, request: Request, answer: Response) -> Answer:
    """Return the answer to a statement that succeeded, unless by the snapshot it has made a duplicate key."""
    if is_upsert(request) and request.arbiters is None:
        return succeeded(answer)  # `may_differ` has looked
    transaction, log = held.transaction, held.services.log
    found = await unseen_duplicates(held, await log.newer(transaction), transaction.checked)
    if found is None:
        return succeeded(answer)
    if not is_upsert(request) and await may_upsert(held, request.statement):
        return refused(CONFLICT)  # run again on newer rows, it would insert again
    if await may_handle_errors(held, request):  # then by the snapshot a handler runs
        await held.ask(savepoints.TO_GUARD)
        return await _doom(held, request)
    duplicate = await first_duplicate(held, *found)
    # Others have freed a key of the clause of an upsert after the search for rows to skip.
    if duplicate is None or duplicate.index.oid in (request.arbiters or ()):
        return refused(CONFLICT)
    return refused(await unique_violation(held, duplicate))
