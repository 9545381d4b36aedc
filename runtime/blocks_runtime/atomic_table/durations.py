"""Durations that callers give, in seconds."""

from __future__ import annotations

LONGEST = 10 * 366 * 24 * 3600
"""Seconds that any duration may have: about ten years."""


def seconds(name: str, value: float) -> float:
    """Return a duration.

    Raises:
        ValueError: it is not a positive number of at most `LONGEST` seconds.
    """
    if not 0 < value <= LONGEST:
        raise ValueError(f"{name} is {value} s; give a positive number of at most {LONGEST:,}")
    return value
