"""Bounds on the time of a statement, which a busy machine may exceed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LONGEST = 0.25
"""Seconds that a statement may wait for another transaction."""
_RUNS = 3


class TooSlowError(AssertionError):
    """A statement took longer than it may."""


def unless_busy(run: Callable[[], T]) -> T:
    """Run a test, and again after a `TooSlowError`: a statement that waits does so each time, a busy machine does not.

    Raises:
        TooSlowError: three runs were too slow.
    """
    for _ in range(_RUNS - 1):
        try:
            return run()
        except TooSlowError:
            continue
    return run()
