"""The table of steps that `make cloudformation` prints: step, seconds, result."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Step:
    """A step that runs or has run; the test sets its result."""

    name: str
    result: str = "failed"
    seconds: float = 0.0


@dataclass
class Table:
    """The steps so far, in order."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Measure a step; without a result at the end it has failed."""
        step = Step(name)
        self.steps.append(step)
        started = time.monotonic()
        try:
            yield step
        finally:
            step.seconds = time.monotonic() - started

    def lines(self) -> list[str]:
        """Return the table as text."""
        width = max((len(step.name) for step in self.steps), default=0)
        return [f"{step.name:{width}}  {step.seconds:6.1f} s  {step.result}" for step in self.steps]
