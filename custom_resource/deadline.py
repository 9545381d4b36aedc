"""Deadline of an invocation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class OutOfTime(Exception):
    """The deadline passed; progress is recorded, and the next invocation continues from there.

    Call `give_up` if no invocation continues: until a deadline it releases what was kept for the next one, and raises
    nothing.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.give_up: Callable[[Deadline], None] = _keep_nothing


def _keep_nothing(deadline: Deadline) -> None:
    """Do nothing: nothing was kept."""


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
