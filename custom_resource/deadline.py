"""Deadline of an invocation."""

from __future__ import annotations

import time
from dataclasses import dataclass


class OutOfTime(Exception):
    """The deadline passed; progress is recorded, and the next invocation continues from there."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A `time.monotonic()` after which no further step is started."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Remaining seconds, negative after the deadline."""
        return self.at - time.monotonic()

    def check(self) -> None:
        """Raise OutOfTime once the deadline has passed."""
        if self.remaining <= 0:
            raise OutOfTime

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise OutOfTime at the deadline if that is earlier."""
        time.sleep(max(0.0, min(seconds, self.remaining)))
        self.check()
