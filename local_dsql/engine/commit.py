"""COMMIT: where a transaction learns whether it has won.

The order matters. (1) The transaction is resumed. (2) Deferred checks that a suspension has taken out of PostgreSQL's
queue are made, (3) PostgreSQL's own deferred checks are run, both under a guard: they lock parents. (4) What the
transaction holds is read, then (5) what others have committed, then (6) COMMIT. No mutex is needed for (4) to (6): a
transaction that is active at (5) holds its locks beside ours, so the two do not conflict; one that is suspended has to
take its locks again after ours, and finds our commit; one that has committed is in the log before its locks are gone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.committed_rows import holdings
from local_dsql.engine.conflict_rows import changed_keys
from local_dsql.engine.deferred_checks import (
    Interrupted,
    check_now,
    deferrable_keys,
    has_newer_orphan,
    restored_violation,
)
from local_dsql.engine.error_causes import is_unseen_child
from local_dsql.engine.errors import (
    CONFLICT,
    CONFLICT_CODES,
    FOREIGN_KEY_VIOLATION,
    INTERRUPTED,
    SCHEMA_CHANGED,
    SERIALIZATION_FAILURE,
    EngineError,
    lost,
    too_old,
)
from local_dsql.engine.execute import is_ready
from local_dsql.engine.opening import close
from local_dsql.engine.parent_locks import are_shared, without_unneeded_locks
from local_dsql.engine.resume import resume
from local_dsql.engine.schema_changes import changed_relations, schema_changed
from local_dsql.engine.size import excess_bytes, is_small
from local_dsql.engine.suspend import suspend, tables_of
from local_dsql.engine.unblock import ask_unblocked
from local_dsql.faults.injection import Fault
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.engine.commit_preview import CommitPreview
    from local_dsql.engine.session import HeldSession
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.wire.response import Response

_log = logging.getLogger(__name__)

_MOST_TRIES = 50
_INJECTED = {Fault.OC000: CONFLICT, Fault.OC001: SCHEMA_CHANGED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a COMMIT: the error to send (None: committed), and whether the connection has to break."""

    error: bytes | None = None
    lost: bool = False
    wrote: bool = True


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Reason why a transaction must not commit, and the winners: transaction numbers, and labels of sessions.

    `shared` says that it conflicts by locks FOR KEY SHARE alone, some of which it may not need.
    """

    error: ServerMessage | bytes | None = None
    winners: tuple[int, ...] = ()
    shared: bool = False
    sessions: tuple[str, ...] = ()


_FREE = _Verdict()


async def commit(held: HeldSession, preview: CommitPreview | None = None, *, tell: bool = False) -> Outcome:
    """Commit the transaction, or roll it back and return why; it is over afterwards.

    `tell` asks for an exact `Outcome.wrote`, which else may be true of a transaction that has only read.
    """
    transaction = held.transaction
    try:
        if transaction.failed:
            await held.ask(savepoints.ROLLBACK)
            return Outcome(wrote=False)
        try:
            verdict = await _judge(held)
        except EngineError as error:
            _log.warning("a transaction cannot be committed", exc_info=True)
            verdict = _Verdict(lost(error))
        fault = None
        if verdict.error is None and preview is not None:
            fault = preview.strike(held)
            verdict = _Verdict(_INJECTED.get(fault)) if fault is not None else verdict
        if verdict.error is not None or fault is Fault.LOST:
            return await _lose(held, verdict, fault)
        return await _commit(held, fault, tell=tell)
    finally:
        close(held)


async def rollback(held: HeldSession) -> None:
    """Roll the transaction back."""
    try:
        await held.ask(savepoints.ROLLBACK)
    finally:
        close(held)


async def _commit(held: HeldSession, fault: Fault | None, *, tell: bool) -> Outcome:
    services, transaction = held.services, held.transaction
    relations = await changed_relations(held) if transaction.changes_catalog else None
    tell = tell or services.others_are_open(held.session)
    services.commits.begin()
    wrote = True
    try:
        try:
            request = savepoints.COMMIT_AND_TELL if tell else savepoints.COMMIT
            (answer,) = await ask_unblocked(held, request)
        except ConnectionLost:
            _committed(
                held, None
            )  # the outcome is unknown; treat it as committed, which can only add conflicts
            raise
        outcome = conclude(held, answer, relations, fault, tell=tell)
        wrote = outcome.wrote
        return outcome
    finally:
        services.commits.finish(wrote=wrote)


def conclude(
    held: HeldSession,
    answer: Response,
    relations: frozenset[int] | None = None,
    fault: Fault | None = None,
    *,
    tell: bool,
) -> Outcome:
    """Return the outcome of a COMMIT that PostgreSQL has answered."""
    if (error := answer.error) is not None:
        conflict = error["C"] == SERIALIZATION_FAILURE or error["C"] in INTERRUPTED
        return Outcome(CONFLICT.encode() if conflict else messages.error(error), wrote=False)
    wrote = True
    if tell:
        ((xid,),) = answer.rows()
        wrote = xid is not None
        if xid is not None:
            held.services.conflict_log.committed(int(xid), held.session.label)
    _committed(held, relations)
    return Outcome(lost=fault is Fault.UNKNOWN, wrote=wrote)


def is_undisputed(held: HeldSession) -> bool:
    """Return whether an open transaction can be committed without a look at what it and others have done."""
    transaction, services = held.transaction, held.services
    return (
        transaction.doomed is None
        and is_ready(held)
        and not transaction.changes_catalog
        and not services.commits.has_moved(transaction.commits)
        and services.catalog.is_known_to_defer_nothing
        and not transaction.rules.ddl
        and is_small(services.limits, transaction.rows)
    )


def _committed(held: HeldSession, relations: frozenset[int] | None) -> None:
    transaction = held.transaction
    if transaction.changes_catalog:
        held.services.catalog.changed(relations, held.backend.pid, held.session.label)
    for call in transaction.on_commit:
        call()


async def _lose(held: HeldSession, verdict: _Verdict, fault: Fault | None) -> Outcome:
    """Roll back, and write into the conflict log what was lost."""
    message = verdict.error
    code = CONFLICT_CODES.get(message) if not isinstance(message, bytes) and message is not None else None
    if code is not None:
        if fault is None:
            held.services.turns.lost(held.session)
        try:
            tables, rows = await changed_keys(held)
        except EngineError:
            tables, rows = [], ()
        log = held.services.conflict_log
        winners = (*log.sessions(verdict.winners), *verdict.sessions)
        log.lost(
            code, held.session.label, winners=winners, tables=tables, rows=rows, injected=fault is not None
        )
    await held.ask(savepoints.ROLLBACK)
    error = message if isinstance(message, bytes | None) else message.encode()
    return Outcome(error, lost=fault is Fault.LOST, wrote=False)


async def _judge(held: HeldSession) -> _Verdict:
    """Return why the transaction must not commit, if so. What PostgreSQL knows itself its COMMIT tells."""
    for _ in range(_MOST_TRIES):
        try:
            verdict = await _judge_once(held)
            if not (verdict.shared and await _lighten(held)):
                return verdict
        except Interrupted:
            await held.ask(savepoints.TO_GUARD)
            await suspend(held)
    return _Verdict(CONFLICT)


async def _judge_once(held: HeldSession) -> _Verdict:
    transaction, services = held.transaction, held.services
    if transaction.expired:
        return _Verdict(too_old(services.limits.transaction_age))
    if transaction.unjudged:
        return _Verdict(CONFLICT)
    if transaction.doomed is None and not is_ready(held):
        changes = await schema_changed(held)
        if changes and await _has_changes(held):
            return _Verdict(SCHEMA_CHANGED, sessions=tuple(dict.fromkeys(each.label for each in changes)))
        await resume(held, to_commit=True)
    if transaction.doomed is not None:
        return _Verdict(transaction.doomed, await _winners(held))
    stale = services.commits.has_moved(transaction.commits)
    deferrable = await _may_defer(held)
    if deferrable and transaction.restored:
        await held.ask(savepoints.SET_GUARD)
        if (violation := await restored_violation(held)) is not None:
            return _Verdict(violation)
    if deferrable and (stale or services.others_are_open(held.session)):
        verdict = await _check_now(held)
        if verdict.error is not None:
            return verdict
    if not is_small(services.limits, transaction.rows) and (excess := await excess_bytes(held)) is not None:
        return _Verdict(excess)
    return await _compare(held) if stale else _FREE


async def _may_defer(held: HeldSession) -> bool:
    if held.services.catalog.is_known_to_defer_nothing and not held.transaction.rules.ddl:
        return False
    return bool(await deferrable_keys(held))


async def _has_changes(held: HeldSession) -> bool:
    """Return whether there is anything to commit."""
    transaction = held.transaction
    if transaction.changes_catalog or transaction.suspended is not None:
        return transaction.changes_catalog or bool(transaction.suspended)
    return bool((await held.services.log.operations(held.backend.pid)).operations)


async def _check_now(held: HeldSession) -> _Verdict:
    error = await check_now(held)
    if error is None:
        return _FREE
    if error["C"] == FOREIGN_KEY_VIOLATION:
        newer = await held.services.log.newer(held.transaction)
        if not await is_unseen_child(held, error, newer):
            return _Verdict(messages.error(error))
        return _Verdict(CONFLICT)
    return _Verdict(CONFLICT if error["C"] == SERIALIZATION_FAILURE else messages.error(error))


async def _compare(held: HeldSession) -> _Verdict:
    """Compare the locks of the transaction with those that others have committed since its snapshot."""
    mine = (await held.services.log.operations(held.backend.pid)).changes()
    if not mine:
        return _FREE
    newer = await held.services.log.newer(held.transaction)
    found = newer.conflicts(holdings(mine))
    if found or await has_newer_orphan(held, mine, newer):
        return _Verdict(CONFLICT, tuple({each.winner for each in found}), bool(found) and are_shared(found))
    return _FREE


async def _lighten(held: HeldSession) -> bool:
    """Suspend the transaction and drop the locks that it does not need; return whether there were any."""
    await suspend(held)
    transaction = held.transaction
    if transaction.doomed is not None or transaction.suspended is None:
        return False
    lighter = await without_unneeded_locks(held, transaction.suspended)
    transaction.suspended = lighter or transaction.suspended
    return lighter is not None


async def _winners(held: HeldSession) -> tuple[int, ...]:
    """Return the transactions that have committed changes to tables of a doomed one since it began."""
    transaction = held.transaction
    files: set[int] = set()
    if transaction.suspended is not None:
        files = {each.table.file for each in transaction.suspended.tables}
    else:
        mine = (await held.services.log.operations(held.backend.pid)).changes()
        files = set(await tables_of(held, mine))
    return (await held.services.log.newer(transaction, than_first=True)).writers(files)
