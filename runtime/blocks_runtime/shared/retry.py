"""Retry policy: whether to retry, and the wait before it. Nothing here sleeps.

Full jitter (a uniform wait between zero and an exponentially growing cap) spreads out transactions that conflict on
one row, see AWS Architecture Blog, "Exponential Backoff And Jitter".

The classes are written out: as dataclasses they take a millisecond of a cold start, and each transaction makes one.
"""

from __future__ import annotations

import random

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import DatabaseError


class Backoff:
    """Exponential backoff: at most `base * 2 ** (attempt - 1)` seconds, and never more than `cap`."""

    __slots__ = ("base", "cap")

    def __init__(self, base: float, cap: float) -> None:
        self.base = base
        self.cap = cap

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


class RetryPolicy:
    """Retry limits: `max_retries` after the first attempt, and not beyond `deadline`, a `time.monotonic()`."""

    __slots__ = ("backoff", "deadline", "max_retries")

    def __init__(self, max_retries: int, deadline: float | None = None, backoff: Backoff = CONFLICTS) -> None:
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}; give 0 or more")
        self.max_retries = max_retries
        self.deadline = deadline
        self.backoff = backoff

    def wait(self, error: DatabaseError, attempt: int, now: float) -> float | None:
        """Return the seconds to wait before a retry after `error`, or None to give up."""
        if not error.retryable or error.commit_unknown or attempt > self.max_retries:
            return None
        wait = self.backoff.wait(attempt)
        return None if self.deadline is not None and now + wait >= self.deadline else wait
