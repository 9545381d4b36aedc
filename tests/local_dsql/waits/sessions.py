"""Sessions that must answer at once, and what the machine takes on its own."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.local_dsql.differential.wire_session import Request, WireSession
from tests.support.timing import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dsql import LocalCluster
    from tests.local_dsql.differential.wire_session import Answer

_TRIES = 3
_NEVER = 3.0
"""Seconds after which a statement that must not wait counts as one that waits."""


@contextmanager
def opened(cluster: LocalCluster, *setup: str, count: int = 3) -> Iterator[list[WireSession]]:
    """Yield sessions, of which the first has run some statements."""
    sessions = [WireSession(cluster.dsn()) for _ in range(count)]
    try:
        for sql in setup:
            said(sessions[0], sql)
        for session in sessions:
            said(session, "SELECT 1")
        yield sessions
    finally:
        for session in sessions:
            session.close()


def said(session: WireSession, request: Request | str, limit: float = 20.0) -> Answer:
    """Run a statement that must succeed; a change of the catalog by an index job is no failure."""
    while True:
        answer = session.ask(request, limit)
        if "(OC001)" in answer.message and not session.in_transaction:
            continue
        assert not answer.failed, f"{request}: {answer}"
        return answer


def at_once(session: WireSession, request: Request | str, longest: float = LONGEST) -> Answer:
    """Run a statement that must not wait."""
    answer = said(session, request, _NEVER)
    assert answer.seconds < longest, f"{request} took {answer.seconds:.3f} s"
    return answer


class Pulse:
    """A session that asks `SELECT 1` all the time; `longest` is the slowest answer in seconds."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._session = WireSession(cluster.dsn())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self.longest = 0.0
        self.answers = 0

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._session.close()

    def _beat(self) -> None:
        while not self._stop.is_set():
            self.longest = max(self.longest, self._session.ask("SELECT 1").seconds)
            self.answers += 1
            time.sleep(0.002)


def within(longest: float, measure: Callable[[], float]) -> float:
    """Return the best of some measurements in seconds, and fail if it is longer than allowed.

    One measurement may meet another process of the machine; a wait for another transaction comes every time.
    """
    best = float("inf")
    for _ in range(_TRIES):
        best = min(best, measure())
        if best < longest:
            return best
    raise AssertionError(f"{best:.3f} s at best of {_TRIES} times, more than {longest}")
