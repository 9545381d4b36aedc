"""Turns: sessions that conflict all the time begin their next transactions one after the other (adaptive scheduling).

Where several sessions change one row in transactions, each commit makes all others lose, and most of the work is done
for nothing. So a session that has lost three conflicts in a row takes a turn at each of its next BEGINs, and so do the
sessions that it has lost all three to: it waits until the session whose turn it is has ended its transaction. That
changes no result, only the time at which a snapshot is taken. Sessions that conflict now and then never wait.

Where the row is still in use after its last turn, the session would lose three conflicts again. So one loss is enough
then, until it has committed once without a turn.

A turn is over early if its session does nothing for 15 ms, or has it for 60 ms. No BEGIN waits longer than 150 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

LOSSES = 3
"""Number of conflicts that a session loses in a row before it takes turns with those that have won."""
TRANSACTIONS = 48
"""Number of transactions for which it takes turns then. More would hide from tests what happens without turns."""
_ROUND = 0.005
"""Seconds between looks at the session whose turn it is."""
_IDLE = 0.015
"""Seconds without a statement after which the turn passes on; clients on a busy machine need some milliseconds."""
_LONGEST = 0.060
"""Seconds of a turn."""
_PATIENCE = 0.150
"""Seconds for which a BEGIN waits at most."""


class Participant(Protocol):
    """A session as far as turns are concerned."""

    losses: int
    takes_turns: int

    @property
    def lost_to(self) -> deque[frozenset[Participant]]:
        """The winners of its last `LOSSES` lost conflicts, oldest first."""

    def idle_for(self, now: float) -> float:
        """Return the seconds for which it has done nothing, up to `now` (time.monotonic)."""


class Turns:
    """The turn, which at most one session has, and the sessions that wait for it in order."""

    def __init__(self) -> None:
        self._holder: Participant | None = None
        self._since = 0.0
        self._waiting: deque[tuple[float, Participant, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, session: Participant) -> None:
        """Wait for the turn if the session takes turns; it keeps it until `give_back`."""
        if not session.takes_turns:
            return
        session.takes_turns -= 1
        if self._holder is None:
            self._pass_to(session)
            return
        arrival = asyncio.get_running_loop().create_future()
        self._waiting.append((time.monotonic(), session, arrival))
        if self._timer is None:
            self._look_again()
        await arrival

    def lost(self, session: Participant, winners: Iterable[Participant] = ()) -> None:
        """Note that a session has lost a conflict to others."""
        session.losses = min(session.losses + 1, LOSSES)
        session.lost_to.append(frozenset(winners))
        if session.losses == LOSSES:
            # A winner that took no turns would make each of the losers lose in its turn.
            for each in (session, *frozenset.intersection(*session.lost_to)):
                each.takes_turns = TRANSACTIONS

    def won(self, session: Participant) -> None:
        """Note that a session has committed a transaction."""
        if session.losses < LOSSES:
            session.losses = 0
        elif not session.takes_turns:
            session.losses = LOSSES - 1

    def give_back(self, session: Participant) -> None:
        """End the turn of a session, if it has it: its transaction is over."""
        if self._holder is session:
            self._next()

    def _pass_to(self, session: Participant) -> None:
        self._holder, self._since = session, time.monotonic()

    def _next(self) -> None:
        self._holder = None
        while self._waiting and self._holder is None:
            _, session, arrival = self._waiting.popleft()
            if not arrival.done():
                self._pass_to(session)
                arrival.set_result(None)

    def _look_again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_ROUND, self._look)

    def _look(self) -> None:
        """Pass an unused or long turn on, and let those begin without a turn that have waited for long."""
        self._timer = None
        now = time.monotonic()
        holder = self._holder
        if holder is None or holder.idle_for(now) > _IDLE or now - self._since > _LONGEST:
            self._next()
        while self._waiting and now - self._waiting[0][0] > _PATIENCE:
            _, _, arrival = self._waiting.popleft()
            if not arrival.done():
                arrival.set_result(None)
        if self._waiting:
            self._look_again()
