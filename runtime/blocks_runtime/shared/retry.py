"""Retry policy: whether to retry, and the wait before it. Nothing here sleeps.

Full jitter (a uniform wait between zero and an exponentially growing cap) spreads out transactions that conflict on
one row, see AWS Architecture Blog, "Exponential Backoff And Jitter".
"""

from __future__ import annotations

import random
from dataclasses import dataclass

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import DatabaseError


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff: at most `base * 2 ** (attempt - 1)` seconds, and never more than `cap`."""

    base: float
    cap: float

    def wait(self, attempt: int, draw: Callable[[], float] = random.random) -> float:
        """Return the seconds to wait after attempt `attempt`, counted from 1; `draw` is uniform in [0, 1)."""
        return draw() * min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))


CONFLICTS = Backoff(base=0.015, cap=0.25)
"""Backoff after a conflict: the other transaction has committed already, so the first wait may be short.

Sixty threads on one row finish earlier, with as few attempts, than with a longer cap (`make bench`).
"""

AUTOCOMMIT = 10
"""Retries of an autocommit statement after a conflict; nothing of it was committed."""

CONNECTS = Backoff(base=0.1, cap=2.0)
"""Backoff of logins: an idle cluster needs seconds to wake, and 100 connections a second is the limit."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry limits: `max_retries` after the first attempt, and not beyond `deadline`, a `time.monotonic()`."""

    max_retries: int
    deadline: float | None = None
    backoff: Backoff = CONFLICTS

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ValueError(f"max_retries is {self.max_retries}; give 0 or more")

    def wait(self, error: DatabaseError, attempt: int, now: float) -> float | None:
        """Return the seconds to wait before a retry after `error`, or None to give up."""
        if not error.retryable or error.commit_unknown or attempt > self.max_retries:
            return None
        wait = self.backoff.wait(attempt)
        return None if self.deadline is not None and now + wait >= self.deadline else wait
