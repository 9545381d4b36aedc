"""The conflict log: which COMMIT failed, and whose changes it conflicted with."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMITS = 10_000
_CONFLICTS = 1000


@dataclass(frozen=True, slots=True)
class Conflict:
    """A COMMIT that failed.

    `winners` are the sessions whose committed changes it conflicted with. `tables` are the tables that it had changed.
    `rows` are primary keys of at most three rows that it had changed, as PostgreSQL prints a row. `injected`: a fault
    injection made it fail.
    """

    at: dt.datetime
    code: str
    loser: str
    winners: tuple[str, ...]
    tables: tuple[str, ...]
    rows: tuple[str, ...]
    injected: bool = False


class ConflictLog:
    """The last thousand conflicts, oldest first, and the sessions of the last ten thousand commits."""

    def __init__(self) -> None:
        self.conflicts: deque[Conflict] = deque(maxlen=_CONFLICTS)
        self._sessions: dict[int, str] = {}

    def committed(self, xid: int, session: str) -> None:
        """Record the session of a committed transaction (its 64-bit number)."""
        self._sessions[xid] = session
        if len(self._sessions) > _COMMITS:
            del self._sessions[next(iter(self._sessions))]

    def sessions(self, xids: Iterable[int]) -> tuple[str, ...]:
        """Return the sessions of committed transactions, each once, without transactions that are too old to be
        known."""
        known = (self._sessions.get(xid) for xid in sorted(xids))
        return tuple(dict.fromkeys(session for session in known if session is not None))

    def lost(
        self,
        code: str,
        loser: str,
        *,
        winners: Iterable[str] = (),
        tables: Iterable[str] = (),
        rows: Iterable[str] = (),
        injected: bool = False,
    ) -> None:
        """Add a conflict."""
        now = dt.datetime.now(dt.UTC)
        names = tuple(sorted(set(tables)))
        self.conflicts.append(Conflict(now, code, loser, tuple(winners), names, tuple(rows), injected))
