"""Turns: sessions that conflict all the time begin their next transactions one after the other (adaptive scheduling).

Where several sessions change one row in transactions, each commit makes all others lose, and most of the work is done
for nothing. So a session that has lost three conflicts in a row takes a turn at each of its next BEGINs, and so do the
sessions that it has lost all three to: it waits until the session whose turn it is has ended its transaction. That
changes no result, only the time at which a snapshot is taken. Sessions that conflict now and then never wait.

Where the row is still in use after its last turn, the session would lose three conflicts again. So one loss is enough
then, until it has committed once without a turn. One loss is also enough once six sessions have lost within a second:
three losses of each of many sessions would take the processor from the winners for seconds.

A doomed transaction whose statement others have overtaken once more takes a turn, too, ahead of the BEGINs, and keeps
it until it ends. Otherwise each commit on the row would make the statement run again, and its runs would take the
processor from the transactions that can commit.

A turn is over early if its session does nothing for 15 ms, or has it for 200 ms. No session waits longer than 1 s.

A session that has neither lost nor committed for 300 ms takes no turns any more: a new burst of transactions conflicts
again, as on a cluster.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LOSSES = 3
"""Number of conflicts that a session loses in a row before it takes turns with those that have won."""
MANY, _RECENTLY = 6, 1.0
"""Number of sessions that lose conflicts within so many seconds, from which on one loss is enough."""
TRANSACTIONS = 48
"""Number of transactions for which it takes turns then. More would hide from tests what happens without turns."""
PAUSE = 0.300
"""Seconds after its last COMMIT or conflict from which on a session takes no turns, until it loses again. The runtime
waits up to 0.25 s before it runs a transaction again."""
_ROUND = 0.005
"""Seconds between looks at the session whose turn it is."""
_IDLE = 0.015
"""Seconds without a statement after which the turn passes on; clients on a busy machine need some milliseconds."""
_LONGEST = 0.200
"""Seconds of a turn."""
_PATIENCE = 1.0
"""Seconds for which a session waits at most. One that begins without its turn makes others lose, so this is longer
than the transactions of 64 sessions take."""


class Participant(Protocol):
    """A session as far as turns are concerned."""

    losses: int
    takes_turns: int
    decided: float
    """Time of its last lost conflict or COMMIT, by time.monotonic."""

    @property
    def lost_to(self) -> deque[frozenset[Participant]]:
        """The winners of its last `LOSSES` lost conflicts, oldest first."""

    def idle_for(self, now: float) -> float:
        """Return the seconds for which it has done nothing, up to `now` (time.monotonic)."""


_Waiting = tuple[float, Participant, "asyncio.Future[None]"]
"""A session that waits for the turn: until when, and the future to resolve."""


class Turns:
    """The turn, which at most one session has, and the sessions that wait for it in order."""

    def __init__(self) -> None:
        self._holder: Participant | None = None
        self._since = 0.0
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._losers: dict[Participant, float] = {}

    async def take(self, session: Participant) -> None:
        """Wait for the turn if the session takes turns; it keeps it until `give_back`."""
        if time.monotonic() - session.decided > PAUSE:
            session.takes_turns = 0
        if not session.takes_turns:
            return
        session.takes_turns -= 1
        await self._wait(session, self._waiting.append)

    async def take_next(self, session: Participant) -> None:
        """Wait for the turn ahead of all BEGINs; the session keeps it until `give_back`. It must hold no locks."""
        await self._wait(session, self._waiting.appendleft)

    async def _wait(self, session: Participant, enqueue: Callable[[_Waiting], None]) -> None:
        if self._holder is None or self._holder is session:
            self._pass_to(session)
            return
        arrival = asyncio.get_running_loop().create_future()
        enqueue((time.monotonic() + _PATIENCE, session, arrival))
        if self._timer is None:
            self._look_again()
        await arrival

    @property
    def are_taken(self) -> bool:
        """Return whether a session has the turn."""
        return self._holder is not None

    def lost(self, session: Participant, winners: Iterable[Participant] = ()) -> None:
        """Note that a session has lost a conflict to others."""
        session.decided = time.monotonic()
        session.losses = min(session.losses + 1, LOSSES)
        session.lost_to.append(frozenset(winners))
        many = self._many_lose(session)
        # A winner that took no turns would make each of the losers lose in its turn.
        if session.losses == LOSSES:
            self._begin_turns(session, *frozenset.intersection(*session.lost_to))
        elif many:
            self._begin_turns(session, *session.lost_to[-1])

    def _many_lose(self, session: Participant) -> bool:
        """Note the last loss of a session; return whether many have lost recently."""
        self._losers.pop(session, None)
        if len(self._losers) >= MANY:
            self._losers.pop(next(iter(self._losers)))
        now = time.monotonic()
        self._losers[session] = now
        return len(self._losers) == MANY and now - next(iter(self._losers.values())) < _RECENTLY

    @staticmethod
    def _begin_turns(*sessions: Participant) -> None:
        for each in sessions:
            each.takes_turns, each.decided = TRANSACTIONS, time.monotonic()

    def won(self, session: Participant) -> None:
        """Note that a session has committed a transaction."""
        session.decided = time.monotonic()
        if session.losses < LOSSES:
            session.losses = 0
        elif not session.takes_turns:
            session.losses = LOSSES - 1

    def give_back(self, session: Participant) -> None:
        """End the turn of a session, if it has it: its transaction is over."""
        if self._holder is session:
            self._next()

    def leave(self, session: Participant) -> None:
        """Forget a session whose client has disconnected, and those that it has lost to: each refers to others."""
        self._losers.pop(session, None)
        session.lost_to.clear()
        self.give_back(session)

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
        for late in [each for each in self._waiting if now > each[0]]:
            self._waiting.remove(late)
            if not late[2].done():
                late[2].set_result(None)
        if self._waiting:
            self._look_again()
