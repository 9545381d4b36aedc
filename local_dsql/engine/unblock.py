"""Run a statement without lock waits: suspend every transaction that blocks it.

PostgreSQL's wait graph (`pg_blocking_pids`) tells which sessions block a statement, the *waiter*. What happens to a
session that blocks it, the *holder*:

- Its transaction is idle: the waiter suspends it. One that is not idle gets some milliseconds to end: more if the
  waiter is doomed, none if the holder is.
- It waits for a lock itself: its own watch clears its way.
- It runs a statement: it suspends its transaction when the statement ends.
- The statement takes longer than `_PATIENCE` and can be undone: it is *preempted*. PostgreSQL cancels it, the holder
  undoes it, suspends the transaction, resumes it, and runs the statement again.
- Its transaction is suspended, and keeps the lock of a sequence, for which DDL waits: the waiter ends it in PostgreSQL.
  It is doomed (OC001), as after any DDL on a relation that it has used.
- The statement was preempted `_MOST_PREEMPTIONS` times, or it cannot be undone, because its rows go to the client as
  they arrive (a plain read, a portal read in parts): it runs to its end, and the waiter waits. The age limit of a
  transaction bounds that.

Resuming a transaction takes as long as its rows need, and their number is limited. It can be preempted, too, because
CHECK constraints may call slow functions.

A waiter holds its own session and only *tries* to lock another's, so two waiters never wait for each other here.
PostgreSQL breaks deadlocks of running statements (`deadlock_timeout`).

A statement may wait for a suspended transaction. It began to wait for a subtransaction that has been released since (an
EXCEPTION block of PL/pgSQL), and PostgreSQL then waits for the whole transaction. The engine cancels that statement and
runs it again. The holder of a preempted statement does so itself, before it resumes its transaction and takes the row
once more (`let_waiters_first`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from local_dsql.engine.process_state import is_running
from local_dsql.engine.session import Batch
from local_dsql.engine.suspend import end_suspended, suspend
from local_dsql.engine.wait_log import Wait
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local_dsql.engine.commands import Command, Result
    from local_dsql.engine.session import EngineSession, HeldSession, Services
    from local_dsql.wire.response import Response

_FIRST_LOOK = 0.002
"""Seconds that a statement runs before the engine asks PostgreSQL what blocks it."""
_TICK = 0.001
"""Seconds; the resolution of the event loop's timers."""
_PAUSES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.010)
"""Seconds between two questions of a watch; the last value repeats."""
_SHARE = 0.005
"""Seconds between two questions of all watches together: many may wait for the same session."""
_IDLE = 0.002
"""Seconds without a statement after which a transaction is taken to be idle."""
_GRACE = 0.010
"""Seconds for which a statement waits for transactions that are not idle: they may be about to end."""
_IDLE_FOR_DOOMED, _GRACE_FOR_DOOMED = 0.015, 0.050
"""The same where the statement is one of a doomed transaction, and the other transaction can commit."""
_PATIENCE = 0.1
"""Seconds that a statement waits for a running one before it preempts that."""
_MOST_PREEMPTIONS = 3
"""A statement that is preempted without end would never finish, so the fourth run is left alone."""

_BLOCKERS = (
    "SELECT blocker, activity.wait_event_type = 'Lock'"
    " FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({pid})) blocker,"
    " pg_catalog.pg_stat_get_activity(blocker) activity"
)
_WAITERS = (
    "SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE NOT granted AND pid <> {pid}"
    " AND {pid} = ANY (pg_catalog.pg_blocking_pids(pid))"
)
_KEPT = (
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks wanted"
    " JOIN pg_catalog.pg_locks kept USING (locktype, database, relation)"
    " WHERE locktype = 'relation' AND wanted.pid = {waiter} AND NOT wanted.granted"
    " AND kept.pid = {holder} AND kept.granted)"
)
"""Asks whether a backend has a relation locked that another one waits for. A suspended transaction has none locked but
sequences, whose locks a ROLLBACK TO SAVEPOINT does not release."""
_CANCEL = "SELECT pg_catalog.pg_cancel_backend({pid})"


class Watch:
    """Watches one statement that has run for some time, until `stop`, and unblocks it."""

    __slots__ = ("_began", "_blocked_since", "_holders", "_over", "_session", "_suspended")

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._over = False
        self._holders: dict[str, None] = {}
        self._began = session.sent
        self._blocked_since: dict[int, float] = {}
        self._suspended: set[int] = set()
        session.services.watches += 1
        session.services.run_in_background(self._look())

    def stop(self) -> None:
        """Stop, because the statement has ended. A suspension in progress continues in the background."""
        self._over = True
        self._session.services.watches -= 1
        if self._holders:
            seconds = time.monotonic() - self._began
            self._session.services.wait_log.note(
                Wait(self._session.label, tuple(self._holders), self._began, seconds)
            )

    def is_over(self) -> bool:
        """Return whether the statement has ended."""
        return self._over

    async def _look(self) -> None:
        looks = 0
        control, pid = self._session.services.control, self._session.backend.pid
        try:
            while not self.is_over():
                rows = await control.rows(_BLOCKERS.format(pid=pid)) if _may_be_blocked(self._session) else []
                for blocker, waits in rows:
                    if self.is_over():
                        return
                    await self._clear(int(str(blocker)), waits=waits == "t")
                pause = _PAUSES[min(looks, len(_PAUSES) - 1)]
                await asyncio.sleep(max(pause, _SHARE * self._session.services.watches))
                looks += 1
        except ConnectionLost:
            return  # PostgreSQL is stopping

    async def _clear(self, pid: int, *, waits: bool) -> None:
        """Suspend, or preempt, the transaction of the session with a backend's process number; `waits`: it is blocked
        itself."""
        other = self._session.services.sessions.get(pid)
        if other is None or other is self._session:
            return
        self._holders[other.label] = None
        now = time.monotonic()
        if now - self._began < self._grace(other, now, waits=waits):
            return
        other.suspend_wanted = True
        held = other.try_exclusive()
        if held is None:
            other.backend.drain()
            since = self._blocked_since.setdefault(pid, time.monotonic())
            if _can_preempt(other) and time.monotonic() - since > _PATIENCE:
                _cancel_and_run_again(other)
            return
        try:
            transaction = held.session.transaction
            if transaction is not None and (transaction.suspended is not None or pid in self._suspended):
                await self._pass_suspended(held)
            else:
                await suspend(held)
                if transaction is not None and transaction.failed:
                    self._suspended.add(pid)
        except ConnectionLost:
            pass  # PostgreSQL rolls back the transaction of a lost connection
        finally:
            held.release()

    def _grace(self, other: EngineSession, now: float, *, waits: bool) -> float:
        """Return the seconds that the statement waits for another session: a transaction that can commit goes first."""
        mine, theirs = self._session.transaction, other.transaction
        if waits:
            return _PATIENCE  # it is only before this one in the queue, or its own watch clears its way
        is_doomed = mine is not None and mine.doomed is not None
        if theirs is not None and theirs.doomed is not None:
            return _GRACE if is_doomed else 0.0
        idle, grace = (_IDLE_FOR_DOOMED, _GRACE_FOR_DOOMED) if is_doomed else (_IDLE, _GRACE)
        return grace if other.idle_for(now) < idle else 0.0

    async def _pass_suspended(self, held: HeldSession) -> None:
        """Let the watched statement pass a suspended transaction, if it waited for that at the last question, too."""
        waiter, holder = self._session.backend.pid, held.backend.pid
        if holder in self._suspended and not self.is_over():
            if await self._session.services.control.rows(_KEPT.format(waiter=waiter, holder=holder)) == [
                ["t"]
            ]:
                await end_suspended(held)
            else:
                _cancel_and_run_again(self._session)
        self._suspended.add(holder)


def _can_preempt(other: EngineSession) -> bool:
    """Return whether the statement of a busy session can be preempted."""
    return other.interruptible and other.cancelling is None and other.preemptions < _MOST_PREEMPTIONS


def _cancel_and_run_again(session: EngineSession) -> None:
    """Cancel the running statement of a session, which then runs it again."""
    if session.cancelling is None:
        session.preemptions += 1
        session.cancelling = session.services.run_in_background(_cancel(session))


async def _cancel(other: EngineSession) -> None:
    await other.services.control.rows(_CANCEL.format(pid=other.backend.pid))


async def let_waiters_first(held: HeldSession) -> None:
    """Restart the statements that still wait for a transaction just suspended, and wait a moment until they have ended.

    One that takes longer can be preempted in its turn.
    """
    services, pid = held.services, held.backend.pid
    if not services.others_exist(held.session):
        return
    waiting = []
    for (waiter,) in await services.control.rows(_WAITERS.format(pid=pid)):
        session = services.sessions.get(int(str(waiter)))
        if session is not None and session.stop_watch is not None:
            waiting.append((session.backend.lock, session.backend.lock.releases))
            _cancel_and_run_again(session)
    until = time.monotonic() + _PATIENCE
    while any(lock.releases == releases for lock, releases in waiting) and time.monotonic() < until:
        await asyncio.sleep(_TICK)


async def suspend_idle(held: HeldSession) -> None:
    """Suspend the open transactions of all other sessions that are idle at this moment."""
    for other in list(held.services.sessions.values()):
        if other is held.session or other.transaction is None or (theirs := other.try_exclusive()) is None:
            continue
        try:
            await suspend(theirs)
        except ConnectionLost:
            pass  # PostgreSQL rolls back the transaction of a lost connection
        finally:
            theirs.release()


def begin_watch(session: EngineSession) -> None:
    """Watch the statement that is sent next, until `end_watch`.

    All statements share one timer, because most of them are shorter than it takes to create and to cancel one. While
    one session alone is active, nothing can block it, and there is no timer: a short one costs more at each wait of the
    event loop than the proxy needs to relay a look-up.
    """
    services = session.services
    session.sent = now = time.monotonic()
    services.running[session] = now + _FIRST_LOOK
    # as `several_are_active`, without a call: this session is one of those that are
    others = len(services.running) > 1 or len(services.open) > (session in services.open)
    if others and services.next_look is None:
        services.next_look = asyncio.get_running_loop().call_later(_FIRST_LOOK, _look_at_running, services)


def end_watch(session: EngineSession) -> None:
    """End the watch of a session, if any: its statement has ended."""
    session.services.running.pop(session, None)
    if session.stop_watch is not None:
        session.stop_watch()
        session.stop_watch = None


def end_all_watches(services: Services) -> None:
    """End the watches of all sessions: the engine stops."""
    for session in list(services.running):
        end_watch(session)
    if services.next_look is not None:
        services.next_look.cancel()


def _look_at_running(services: Services) -> None:
    """Create a watch for each statement that has run for `_FIRST_LOOK` and may be blocked; look again at the others."""
    services.next_look = None
    now = time.monotonic()
    waiting = []
    is_due = services.several_are_active()
    for session, due in services.running.items():
        if session.stop_watch is not None:
            continue
        if due > now:
            waiting.append(due)
        elif _may_be_blocked(session):
            session.stop_watch = Watch(session).stop
        else:
            services.running[session] = now + min(now - session.sent, _PAUSES[-1])
            waiting.append(services.running[session])
            is_due = True
    if waiting and is_due:
        delay = max(min(waiting) - now, _TICK)
        services.next_look = asyncio.get_running_loop().call_later(delay, _look_at_running, services)


def _may_be_blocked(session: EngineSession) -> bool:
    """Return whether PostgreSQL has to be asked.

    It need not be if there is no other session, if a part of the response has arrived since the last look, or if the
    backend runs.
    """
    backend = session.backend
    if backend.progressed:
        backend.progressed = False
        return False
    return session.services.others_exist(session) and not is_running(backend.pid)


@contextlib.contextmanager
def watched(session: EngineSession) -> Iterator[None]:
    """Watch the statement that the block sends and waits for."""
    begin_watch(session)
    try:
        yield
    finally:
        end_watch(session)


async def ask_unblocked(
    held: HeldSession, data: bytes, answers: int = 1, *, bulk: bool = False
) -> list[Response]:
    """Send messages that may need locks, as `Backend.request` does, and suspend every transaction that blocks them."""
    try:
        with watched(held.session):
            return await held.ask(data, answers, bulk=bulk)
    finally:
        await held.session.wait_for_cancellation()  # another session may have preempted it


async def ask_unblocked_until(held: HeldSession, data: bytes, stop: bytes) -> Response:
    """Send messages that may need locks and end with Flush; return the answer up to a frame of a type in `stop`."""
    try:
        with watched(held.session):
            return await held.backend.request_until(data, stop)
    finally:
        await held.session.wait_for_cancellation()


async def run_unblocked(held: HeldSession, commands: Sequence[Command]) -> list[Result]:
    """Run commands that may need locks, as `HeldSession.run` does."""
    batch = Batch(commands, held.backend.encoding)
    (answer,) = await ask_unblocked(held, batch.data)
    return batch.results(answer)
