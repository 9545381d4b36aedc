"""Durations that callers give, in seconds."""

from __future__ import annotations

LONGEST = 10 * 366 * 24 * 3600
"""Seconds that any duration may have: about ten years."""


def seconds(name: str, value: float) -> float:
    """Return a duration.

    Raises:
        TypeError: it is no number.
        ValueError: it is not a positive number of at most `LONGEST` seconds.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is of type {type(value).__name__}; give a number of seconds")
    if not 0 < value <= LONGEST:
        raise ValueError(f"{name} is {value} s; give a positive number of at most {LONGEST:,}")
    return value
