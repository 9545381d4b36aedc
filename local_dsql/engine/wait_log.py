"""Log of lock waits; tests assert that no statement waits for another transaction."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Wait:
    """A statement that waited for locks: its session, and the sessions that held them.

    `began` is the time when it was sent (`time.monotonic`); `seconds` is its whole duration.
    """

    waiter: str
    holders: tuple[str, ...]
    began: float
    seconds: float


class WaitLog:
    """The last thousand waits, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[Wait] = deque(maxlen=_KEPT)

    def note(self, wait: Wait) -> None:
        """Add a wait."""
        self.entries.append(wait)
