"""Run a statement without lock waits: suspend every transaction that blocks it.

PostgreSQL's wait graph tells who is in the way of whatever statement. An idle holder is suspended by the waiter. A busy
one is asked to suspend itself when its statement ends; if that takes long and its statement can be undone, it is
cancelled, suspends itself and runs its statement again. A waiter holds its own session and only *tries* for another's,
so no two wait for each other here; rings of busy statements are PostgreSQL's to find (`deadlock_timeout`).

A statement that was cancelled three times is left alone, so that it comes to its end: a statement that needs its rows
waits until then, and the transaction's greatest age bounds that. To bring back a suspended transaction takes as long as
its rows, whose number is limited; it can be cancelled, too, since CHECKs of its tables may call slow functions.

A statement may wait for a suspended transaction: it began to while a subtransaction had changed the row which has been
released since (an EXCEPTION block of PL/pgSQL), and PostgreSQL then goes on to wait for the transaction as a whole.
Such a statement is cancelled itself, and runs again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from local_dsql.engine.session import Batch
from local_dsql.engine.suspend import suspend
from local_dsql.engine.wait_log import Wait
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local_dsql.engine.commands import Command, Result
    from local_dsql.engine.session import EngineSession, HeldSession
    from local_dsql.wire.response import Response

_FIRST_LOOK = 0.002
"""Seconds that a statement runs before PostgreSQL is asked what blocks it."""
_PAUSES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.010)
"""Seconds between looks; the last one goes on."""
_IDLE = 0.002
"""Seconds without a statement after which a transaction is taken to be idle."""
_GRACE = 0.010
"""Seconds for which a statement waits for transactions that are not idle: they may be about to end."""
_PATIENCE = 0.1
"""Seconds that a statement waits for another one that is running, before that is cancelled."""

_MOST_PREEMPTIONS = 3

_BLOCKERS = "SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids({pid}))"
_CANCEL = "SELECT pg_catalog.pg_cancel_backend({pid})"


class Watch:
    """Watches one statement from the moment it is sent; costs a timer unless the statement takes long."""

    __slots__ = ("_began", "_blocked_since", "_holders", "_over", "_session", "_suspended", "_timer")

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._over = False
        self._holders: dict[str, None] = {}
        self._began = time.monotonic()
        self._blocked_since: dict[int, float] = {}
        self._suspended: set[int] = set()
        self._timer = asyncio.get_running_loop().call_later(_FIRST_LOOK, self._begin)

    def stop(self) -> None:
        """Stop: the statement has ended. A suspension that is under way goes on by itself."""
        self._over = True
        self._timer.cancel()
        if self._holders:
            seconds = time.monotonic() - self._began
            self._session.services.wait_log.note(
                Wait(self._session.label, tuple(self._holders), self._began, seconds)
            )

    def is_over(self) -> bool:
        """Return whether the statement has ended."""
        return self._over

    def _begin(self) -> None:
        self._session.services.run_in_background(self._look())

    async def _look(self) -> None:
        looks = 0
        control, pid = self._session.services.control, self._session.backend.pid
        try:
            while not self.is_over():
                rows = await control.rows(_BLOCKERS.format(pid=pid))
                for (blocker,) in rows:
                    if self.is_over():
                        return
                    await self._clear(int(str(blocker)))
                await asyncio.sleep(_PAUSES[min(looks, len(_PAUSES) - 1)])
                looks += 1
        except ConnectionLost:
            return  # PostgreSQL is stopping

    async def _clear(self, pid: int) -> None:
        """Get one session out of the way, if it can be had now."""
        other = self._session.services.sessions.get(pid)
        if other is None or other is self._session:
            return
        self._holders[other.label] = None
        now = time.monotonic()
        if other.idle_for(now) < _IDLE and now - self._began < _GRACE:
            return
        other.suspend_wanted = True
        held = other.try_exclusive()
        if held is None:
            other.backend.drain()
            since = self._blocked_since.setdefault(pid, time.monotonic())
            if _can_cancel(other) and time.monotonic() - since > _PATIENCE:
                other.preemptions += 1
                other.cancelling = other.services.run_in_background(_cancel(other))
            return
        try:
            if held.session.transaction is not None and held.session.transaction.suspended is not None:
                self._run_again(pid)
            await suspend(held)
        except ConnectionLost:
            pass  # PostgreSQL rolls back the transaction of a lost connection
        finally:
            held.release()

    def _run_again(self, pid: int) -> None:
        """Cancel the statement itself if it has waited for a suspended transaction at the look before, too."""
        session = self._session
        if pid in self._suspended and session.cancelling is None and not self.is_over():
            session.preemptions += 1
            session.cancelling = session.services.run_in_background(_cancel(session))
        self._suspended.add(pid)


def _can_cancel(other: EngineSession) -> bool:
    """Return whether the statement of a busy session can be undone and run again, and was not too often."""
    return other.interruptible and other.cancelling is None and other.preemptions < _MOST_PREEMPTIONS


async def _cancel(other: EngineSession) -> None:
    await other.services.control.rows(_CANCEL.format(pid=other.backend.pid))


def begin_watch(session: EngineSession) -> Watch | None:
    """Return a watch over the statement that is sent next, None if there is no other session to wait for."""
    return Watch(session) if len(session.services.sessions) > 1 else None


@contextlib.contextmanager
def watched(session: EngineSession) -> Iterator[None]:
    """Watch the statement that the block sends and waits for."""
    watch = begin_watch(session)
    try:
        yield
    finally:
        if watch is not None:
            watch.stop()


async def ask_unblocked(
    held: HeldSession, data: bytes, answers: int = 1, *, bulk: bool = False
) -> list[Response]:
    """Send messages that may need locks, and suspend every transaction that they would wait for; as `Backend.ask`."""
    try:
        with watched(held.session):
            return await held.ask(data, answers, bulk=bulk)
    finally:
        await held.session.cancelled()  # another session may have come meanwhile


async def ask_unblocked_until(held: HeldSession, data: bytes, stop: bytes) -> Response:
    """Send messages that may need locks up to a Flush; return the answer up to a frame of a type in `stop`."""
    try:
        with watched(held.session):
            return await held.backend.request_until(data, stop)
    finally:
        await held.session.cancelled()


async def run_unblocked(held: HeldSession, commands: Sequence[Command]) -> list[Result]:
    """Run commands that may need locks; as `HeldSession.run`."""
    batch = Batch(commands, held.backend.encoding)
    (answer,) = await ask_unblocked(held, batch.data)
    return batch.results(answer)
