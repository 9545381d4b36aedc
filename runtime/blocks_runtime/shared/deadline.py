"""Deadlines: seconds given by the caller, or the remaining time of a Lambda invocation."""

from __future__ import annotations

import time

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    from ..errors import DeadlineExceeded

    class LambdaContext(Protocol):
        """The second argument that Lambda passes to a handler."""

        def get_remaining_time_in_millis(self) -> int: ...

    Deadline: TypeAlias = float | LambdaContext
    """Seconds from now, or the context of a Lambda invocation."""

RESERVE = 0.5
"""Seconds of an invocation that are left to the handler for its response."""


def expires_at(deadline: Deadline | None) -> float | None:
    """Return the `time.monotonic()` at which a deadline passes, None for never.

    Raises:
        TypeError: it is neither a number nor the context of an invocation.
        ValueError: the number of seconds is not positive.
    """
    if deadline is None:
        return None
    if isinstance(deadline, (int, float)) and not isinstance(deadline, bool):
        if not deadline > 0:
            raise ValueError(f"deadline is {deadline} s; give a positive number of seconds from now")
        seconds = float(deadline)
    elif not hasattr(deadline, "get_remaining_time_in_millis"):
        raise TypeError(
            f"deadline is a {type(deadline).__name__}; give seconds from now, or the context of the invocation"
        )
    else:
        seconds = max(0.0, deadline.get_remaining_time_in_millis() / 1000 - RESERVE)
    return time.monotonic() + seconds


def earliest(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two times, of which None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def not_sent(reason: str = "") -> DeadlineExceeded:
    """Return the error for a statement whose deadline passed before it was sent, with the reason for the wait."""
    from ..errors import DeadlineExceeded  # `errors` costs more to import than a deadline that does not pass

    late = DeadlineExceeded(
        "the deadline passed before the statement was sent" + (f": {reason}" if reason else "")
    )
    late.sent = False
    return late


def remaining(until: float | None) -> float | None:
    """Return the deadline of the next call of several that share one; positive, so that the call reports a late one."""
    return None if until is None else max(until - time.monotonic(), 1e-9)
