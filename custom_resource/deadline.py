"""How much time is left, and what to do when it is not enough."""

from __future__ import annotations

import time
from dataclasses import dataclass


class OutOfTime(Exception):
    """The invocation must end now; everything done is journaled and the next one goes on from there."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by `time.monotonic()` after which nothing new is begun."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, negative once it has passed."""
        return self.at - time.monotonic()

    def check(self) -> None:
        """Raise OutOfTime once the deadline has passed."""
        if self.remaining <= 0:
            raise OutOfTime

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise OutOfTime at the deadline if that comes first."""
        time.sleep(max(0.0, min(seconds, self.remaining)))
        self.check()
