"""Retry policy: decisions and waits."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import errors
from blocks_runtime.shared.retry import Backoff, RetryPolicy

if TYPE_CHECKING:
    from blocks_runtime.errors import DatabaseError

CONFLICT = errors.SerializationFailure("conflict", sqlstate="40001")
ALWAYS_FULL = Backoff(base=1.0, cap=8.0)

DECISIONS: dict[str, tuple[RetryPolicy, DatabaseError, int, bool]] = {
    "first conflict": (RetryPolicy(3), CONFLICT, 1, True),
    "last retry": (RetryPolicy(3), CONFLICT, 3, True),
    "retries used up": (RetryPolicy(3), CONFLICT, 4, False),
    "no retries wanted": (RetryPolicy(0), CONFLICT, 1, False),
    "server unavailable": (RetryPolicy(3), errors.ServerUnavailable("x"), 1, True),
    "torn before commit": (RetryPolicy(3), errors.ConnectionFailed("x"), 1, True),
    "commit unknown": (RetryPolicy(3), errors.CommitOutcomeUnknown("x", retryable=True), 1, False),
    "duplicate key": (RetryPolicy(3), errors.UniqueConstraintViolation("x"), 1, False),
    "access denied": (RetryPolicy(3), errors.AccessDenied("x"), 1, False),
    "deadline passed": (RetryPolicy(3, deadline=99.0), CONFLICT, 1, False),
    "deadline ahead": (RetryPolicy(3, deadline=200.0), CONFLICT, 1, True),
}


@pytest.mark.parametrize(("policy", "error", "attempt", "again"), DECISIONS.values(), ids=DECISIONS)
def test_decision(policy: RetryPolicy, error: DatabaseError, attempt: int, again: bool) -> None:
    assert (policy.wait(error, attempt, now=100.0) is not None) is again


@pytest.mark.parametrize(("attempt", "most"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (5000, 8.0)])
def test_waits_grow_to_the_cap(attempt: int, most: float) -> None:
    assert ALWAYS_FULL.wait(attempt, draw=lambda: 1.0) == most
    assert ALWAYS_FULL.wait(attempt, draw=lambda: 0.0) == 0.0


def test_waits_are_spread_over_the_whole_range() -> None:
    draw = random.Random(7).random
    waits = [ALWAYS_FULL.wait(4, draw) for _ in range(2000)]
    assert min(waits) < 0.2
    assert max(waits) > 7.8
    assert 3.7 < sum(waits) / len(waits) < 4.3


def test_negative_retries_are_refused() -> None:
    with pytest.raises(ValueError, match="max_retries is -1"):
        RetryPolicy(-1)
