"""Who lost against whom: the conflict log."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass

_COMMITS = 1000
_CONFLICTS = 1000


@dataclass(frozen=True, slots=True)
class Commit:
    """A COMMIT that changed something."""

    sequence: int
    session: str
    tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A COMMIT that failed.

    `winners` are the sessions that have committed changes to one of `tables` since the loser's snapshot. `rows` are
    primary keys of rows that the loser changed, as PostgreSQL prints a row: three at most, none where it deleted them
    or where its table is large. `injected` says that it failed by request.
    """

    at: dt.datetime
    code: str
    loser: str
    winners: tuple[str, ...]
    tables: tuple[str, ...]
    rows: tuple[str, ...]
    injected: bool = False


class Journal:
    """The last thousand COMMITs and the last thousand conflicts."""

    def __init__(self) -> None:
        self._commits: deque[Commit] = deque(maxlen=_COMMITS)
        self.conflicts: deque[Conflict] = deque(maxlen=_CONFLICTS)

    def committed(self, commit: Commit) -> None:
        """Note a COMMIT."""
        self._commits.append(commit)

    def changed_since(self, sequence: int) -> frozenset[str] | None:
        """Return the tables that were changed after commit number `sequence`; None where that is not known any more."""
        if self._commits and self._commits[0].sequence > sequence + 1:
            return None
        return frozenset[str]().union(*(each.tables for each in self._commits if each.sequence > sequence))

    def lost(
        self,
        code: str,
        loser: str,
        since: int,
        tables: frozenset[str],
        rows: tuple[str, ...],
        *,
        injected: bool = False,
    ) -> None:
        """Note a conflict of a transaction whose snapshot was taken after commit number `since`."""
        later = (commit for commit in self._commits if commit.sequence > since)
        winners = dict.fromkeys(
            commit.session for commit in later if code == "OC001" or commit.tables & tables
        )
        moment = dt.datetime.now(dt.UTC)
        names = tuple(sorted(tables))
        self.conflicts.append(
            Conflict(moment, code, loser, () if injected else tuple(winners), names, rows, injected)
        )
