"""COMMIT: check a transaction for conflicts, then commit it, or roll it back and report the conflict.

The order of the steps matters. The first one that finds an error decides; `_decide_once` makes steps 1 to 9:

1. Refuse a transaction that is older than the limit.
2. Report a conflict (OC000) if the part of the log with its changes is gone.
3. Report OC001 if a suspended transaction has changes, and others have changed the schema since.
4. Resume a suspended transaction. It may become doomed then.
5. Report the conflict of a doomed transaction.
6. Make the deferred checks that a suspension has removed from PostgreSQL's queue. Like the next step, this runs after a
   guard, because it locks parents.
7. Let PostgreSQL make its own deferred checks. If step 6 or 7 fails, a conflict of step 9 precedes the violation.
8. Refuse a transaction that changes more bytes than the limit.
9. Conflict check, if others have committed since the snapshot: read the log up to now, and compare the locks of the
   transaction with those that others have committed.
10. Report the fault that is to be injected, if any.
11. COMMIT. PostgreSQL may still refuse it.

Steps 1 to 9 begin anew after another session has interrupted them, and after locks were dropped that the transaction
does not need.

Steps 9 to 11 need no mutex. Another transaction that is active at step 9 holds its locks beside these, so the two do
not conflict. One that is suspended must take its locks again later, and finds this commit then. One that has committed
is in the log before its locks are released.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.committed_rows import holdings
from local_dsql.engine.conflict_rows import changed_keys
from local_dsql.engine.deferred_checks import (
    check_now,
    deferrable_keys,
    has_missed_child,
    restored_violation,
)
from local_dsql.engine.error_causes import find_child
from local_dsql.engine.errors import (
    CONCURRENT,
    CONFLICT,
    CONFLICT_CODES,
    FOREIGN_KEY_VIOLATION,
    SCHEMA_CHANGED,
    SERIALIZATION_FAILURE,
    EngineError,
    Interrupted,
    is_interruption,
    lost,
    too_old,
)
from local_dsql.engine.execute import is_ready
from local_dsql.engine.opening import close
from local_dsql.engine.parent_locks import are_shared, without_unneeded_locks
from local_dsql.engine.resume import resume, step_aside
from local_dsql.engine.schema_changes import changed_relations, schema_changed
from local_dsql.engine.size import excess_bytes, may_be_large
from local_dsql.engine.suspend import suspend, tables_of
from local_dsql.engine.unblock import ask_unblocked
from local_dsql.faults.injection import Fault
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.commit_preview import CommitPreview
    from local_dsql.engine.session import EngineSession, HeldSession, Services
    from local_dsql.engine.transaction import Transaction
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.wire.response import Response
    from local_dsql.write_ahead_log.changes import TableChanges

_log = logging.getLogger(__name__)

_MOST_TRIES = 50
"""A try is repeated after a check was interrupted (a deadlock, 10 ms each), or unneeded locks were dropped. After 50
the client gets a conflict, which it can retry, rather than a loop without end."""
_INJECTED = {Fault.OC000: CONFLICT, Fault.OC001: SCHEMA_CHANGED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a COMMIT.

    Attributes:
        error: the error to send; None if it has committed.
        breaks_connection: an injected fault breaks the client's connection in place of a reply.
        wrote: it has committed changes.
    """

    error: bytes | None = None
    breaks_connection: bool = False
    wrote: bool = True


@dataclass(frozen=True, slots=True)
class _Decision:
    """Decision on a COMMIT: to commit if `error` is None.

    Attributes:
        error: the error to send instead of a commit.
        code: OC000 or OC001, if the error is one of these conflicts.
        winners: numbers of the committed transactions that it conflicts with.
        mine: the changes of an active transaction, by file, if they have been read.
        shared: it conflicts only by locks FOR KEY SHARE, and may not need all of them.
        sessions: labels of the sessions that changed the catalog.
    """

    error: bytes | None = None
    code: str | None = None
    winners: tuple[int, ...] = ()
    mine: dict[int, TableChanges] | None = None
    shared: bool = False
    sessions: tuple[str, ...] = ()


_MAY_COMMIT = _Decision()
_SUCCESS = Outcome()


async def commit(held: HeldSession, preview: CommitPreview | None = None, *, tell: bool = False) -> Outcome:
    """Commit the transaction, or roll it back and return the reason; it has ended afterwards.

    `tell` makes `Outcome.wrote` exact; otherwise it may be true for a transaction that has only read.
    """
    transaction = held.transaction
    try:
        if transaction.failed:
            await held.ask(savepoints.ROLLBACK)
            return Outcome(wrote=False)
        try:
            decision = await _decide(held)
        except EngineError as error:
            _log.warning("a transaction cannot be committed", exc_info=True)
            decision = _refusal(lost(error))
        fault = None
        if decision.error is None and preview is not None:
            fault = preview.next_fault(held.services.injector)
            decision = _refusal(_INJECTED[fault]) if fault in _INJECTED else decision
        if decision.error is not None or fault is Fault.LOST:
            return await _refuse(held, decision, fault)
        return await _send_commit(held, fault, tell=tell)
    finally:
        close(held)


async def rollback(held: HeldSession) -> None:
    """Roll the transaction back."""
    try:
        await held.ask(savepoints.ROLLBACK)
    finally:
        close(held)


async def _send_commit(held: HeldSession, fault: Fault | None, *, tell: bool) -> Outcome:
    services, transaction = held.services, held.transaction
    relations = await changed_relations(held) if transaction.changes_catalog else None
    tell = tell or services.others_are_open(held.session)
    services.commits.begin()
    if transaction.changes_catalog:
        services.catalog.begin_change()
    wrote = True
    try:
        request = savepoints.COMMIT_AND_TELL if tell else savepoints.COMMIT
        (answer,) = await ask_unblocked(held, request)
        outcome = settle_answer(held, answer, relations, fault, tell=tell)
        wrote = outcome.wrote
    except ConnectionLost:
        # PostgreSQL may commit until the backend has ended. A commit that was none can only add conflicts.
        services.finish_lost_commit(held.backend.pid, partial(_end_lost, held, transaction))
        raise
    except BaseException:
        _end_change(services, transaction)
        services.commits.finish()
        raise
    _end_change(services, transaction)
    services.commits.finish(wrote=wrote)
    return outcome


def _end_lost(held: HeldSession, transaction: Transaction) -> None:
    """Note that a transaction may have been committed whose client has disconnected."""
    _publish(held, transaction, None)
    _end_change(held.services, transaction)


def _end_change(services: Services, transaction: Transaction) -> None:
    if transaction.changes_catalog:
        services.catalog.end_change()


def _error_of_commit(held: HeldSession, error: Mapping[str, str]) -> bytes:
    """Return the error of a COMMIT that PostgreSQL has failed; the rows can no longer be looked at."""
    commits = held.services.commits
    others = commits.pending > 1 or commits.ended != held.transaction.commits
    if is_interruption(error) or error["C"] == SERIALIZATION_FAILURE or (others and error["C"] in CONCURRENT):
        return CONFLICT.encode()
    return messages.error(error)


def settle_answer(
    held: HeldSession,
    answer: Response,
    relations: frozenset[int] | None = None,
    fault: Fault | None = None,
    *,
    tell: bool,
) -> Outcome:
    """Note what PostgreSQL has answered to COMMIT, and return the outcome."""
    if (error := answer.error) is not None:
        return Outcome(_error_of_commit(held, error), wrote=False)
    wrote = True
    if tell:
        ((xid,),) = answer.rows()
        wrote = xid is not None
        if xid is not None:
            held.services.conflict_log.committed(int(xid), held.session.label)
    settle_success(held, relations)
    return Outcome(breaks_connection=fault is Fault.UNKNOWN, wrote=wrote)


def settle_success(held: HeldSession, relations: frozenset[int] | None = None) -> Outcome:
    """Note that PostgreSQL has committed, and return the outcome."""
    _publish(held, held.transaction, relations)
    held.services.turns.won(held.session)
    return _SUCCESS


def is_undisputed(held: HeldSession) -> bool:
    """Return whether an open transaction can be committed without a look at what it and others have done."""
    transaction, services = held.transaction, held.services
    return (
        transaction.doomed is None
        and is_ready(transaction, services)
        and not transaction.changes_catalog
        and not services.commits.has_moved(transaction.commits)
        and services.catalog.is_known_to_defer_nothing
        and not transaction.rules.ddl
        and not may_be_large(transaction, services.limits)
    )


def _publish(held: HeldSession, transaction: Transaction, relations: frozenset[int] | None) -> None:
    """Tell the parts of the engine that depend on it what the transaction has committed."""
    if transaction.changes_catalog:
        held.services.catalog.changed(relations, held.backend.pid, held.session.label)
    for call in transaction.on_commit:
        call()


async def _refuse(held: HeldSession, decision: _Decision, fault: Fault | None) -> Outcome:
    """Roll back, and write the conflict into the conflict log."""
    if decision.code is not None:
        if fault is None:
            held.services.turns.lost(held.session, _sessions_of(held, decision.winners))
        try:
            tables, rows = await changed_keys(held, decision.mine)
        except EngineError:
            tables, rows = [], ()
        log = held.services.conflict_log
        winners = (*log.sessions(decision.winners), *decision.sessions)
        log.lost(
            decision.code,
            held.session.label,
            winners=winners,
            tables=tables,
            rows=rows,
            injected=fault is not None,
        )
    await held.ask(savepoints.ROLLBACK)
    return Outcome(decision.error, breaks_connection=fault is Fault.LOST, wrote=False)


async def _decide(held: HeldSession) -> _Decision:
    """Decide whether the transaction can commit. PostgreSQL's own COMMIT may still fail."""
    for _ in range(_MOST_TRIES):
        try:
            decision = await _decide_once(held)
            if not (decision.shared and await _drop_unneeded_locks(held)):
                return decision
        except Interrupted as stop:
            await step_aside(held, stop.fields)
    return _refusal(CONFLICT)


def _refusal(
    message: ServerMessage,
    winners: tuple[int, ...] = (),
    mine: dict[int, TableChanges] | None = None,
    *,
    shared: bool = False,
    sessions: tuple[str, ...] = (),
) -> _Decision:
    return _Decision(message.encode(), CONFLICT_CODES.get(message), winners, mine, shared, sessions)


async def _decide_once(held: HeldSession) -> _Decision:
    transaction, services = held.transaction, held.services
    if transaction.expired:
        return _refusal(too_old(services.limits.transaction_age))
    if transaction.log_lost:
        return _refusal(CONFLICT)
    if transaction.doomed is None and not is_ready(transaction, services):
        changes = await schema_changed(held)
        if changes and await _has_changes(held):
            return _refusal(SCHEMA_CHANGED, sessions=tuple(dict.fromkeys(each.label for each in changes)))
        await resume(held, to_commit=True)
    if transaction.doomed is not None:
        mine = None
        if transaction.suspended is None:
            mine = (await services.log.operations(held.backend.pid)).changes()
        return _refusal(transaction.doomed, await _winners(held, mine), mine)
    stale = services.commits.has_moved(transaction.commits)
    deferrable = await _may_defer(held)
    if deferrable and transaction.restored:
        await held.ask(savepoints.SET_GUARD)
        if (violation := await restored_violation(held)) is not None:
            return await _conflict_first(held, _refusal(violation))
    if deferrable and (stale or len(services.sessions) > 1):
        decision = await _run_deferred_checks(held)
        if decision.error is not None:
            return await _conflict_first(held, decision)
    if (excess := await excess_bytes(held)) is not None:
        return _refusal(excess)
    return await _check_conflicts(held) if stale else _MAY_COMMIT


async def _may_defer(held: HeldSession) -> bool:
    if held.services.catalog.is_known_to_defer_nothing and not held.transaction.rules.ddl:
        return False
    return bool(await deferrable_keys(held))


async def _has_changes(held: HeldSession) -> bool:
    """Return whether the transaction has changed anything."""
    transaction = held.transaction
    if transaction.changes_catalog or transaction.suspended is not None:
        return transaction.changes_catalog or bool(transaction.suspended)
    return bool((await held.services.log.operations(held.backend.pid)).operations)


async def _run_deferred_checks(held: HeldSession) -> _Decision:
    error = await check_now(held)
    if error is None:
        return _MAY_COMMIT
    if error["C"] == FOREIGN_KEY_VIOLATION:
        newer = await held.services.log.newer(held.transaction)
        finding = await find_child(held, error, newer)
        is_conflict = finding is None
    else:
        is_conflict = error["C"] == SERIALIZATION_FAILURE
    return _refusal(CONFLICT) if is_conflict else _Decision(messages.error(error))


async def _conflict_first(held: HeldSession, violation: _Decision) -> _Decision:
    """Return the conflict of a transaction whose deferred checks have failed, if it has one.

    A referential action acts on the newest children: the row that violates the constraint may be one of another
    transaction, which conflicts with this one by its parent.
    """
    if not held.services.commits.has_moved(held.transaction.commits):
        return violation
    decision = await _check_conflicts(held)
    return violation if decision.error is None else decision


async def _check_conflicts(held: HeldSession) -> _Decision:
    """Compare the locks of the transaction with those that others have committed since its snapshot."""
    mine = (await held.services.log.operations(held.backend.pid)).changes()
    if not mine:
        return _MAY_COMMIT
    newer = held.services.log.newer_so_far(held.transaction)
    found = newer.conflicts(holdings(mine))
    if found or await has_missed_child(held, mine, newer):
        shared = bool(found) and are_shared(found)
        return _refusal(CONFLICT, tuple({each.winner for each in found}), mine, shared=shared)
    return _MAY_COMMIT


async def _drop_unneeded_locks(held: HeldSession) -> bool:
    """Suspend the transaction and drop the locks that it does not need; return whether any were dropped."""
    await suspend(held)
    transaction = held.transaction
    if transaction.doomed is not None or transaction.suspended is None:
        return False
    lighter = await without_unneeded_locks(held, transaction.suspended)
    transaction.suspended = lighter or transaction.suspended
    return lighter is not None


def _sessions_of(held: HeldSession, xids: tuple[int, ...]) -> list[EngineSession]:
    """Return the other sessions that have committed transactions, as far as they are known."""
    labels = held.services.conflict_log.sessions(xids)
    return [
        each for each in held.services.sessions.values() if each.label in labels and each is not held.session
    ]


async def _winners(held: HeldSession, active: Mapping[int, TableChanges] | None) -> tuple[int, ...]:
    """Return the transactions that a doomed one has lost to; `active` are its changes unless it is suspended.

    They have made the rows that it has changed on its newer snapshot. If these are deleted, the answer is all
    transactions that have changed the same tables.
    """
    transaction, log = held.transaction, held.services.log
    if active is None:
        assert transaction.suspended is not None
        mine = {each.table.file: each.changes for each in transaction.suspended.tables}
        await log.catch_up()
    else:
        known = await tables_of(held, active)
        mine = {file: changes for file, changes in active.items() if file in known}
    newer = log.newer_so_far(transaction, than_first=True)
    bases = {file: {*each.updates, *each.deletes, *each.locks} for file, each in mine.items()}
    found = {xid for file, places in bases.items() for xid in newer.makers(file, places)}
    found |= {each.winner for each in newer.conflicts(holdings(mine))}
    return tuple(sorted(found)) or newer.writers(mine.keys())
