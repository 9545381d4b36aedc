"""The course of one transaction: attempts, waits and time, for `tx.info`, counters, log and telemetry."""

from __future__ import annotations

import time

from ..errors import SerializationFailure

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import DatabaseError
    from .counters import Counters
    from .instrumentation import Instrumentation


class TransactionInfo:
    """The course of a transaction; `tx.info` is one object for all attempts, and complete after the commit."""

    __slots__ = ("attempts", "conflicts", "milliseconds")

    def __init__(self) -> None:
        self.attempts = 0
        """Attempts begun."""
        self.conflicts: list[str] = []
        """SQLSTATE of the error that ended each failed attempt, the name of its class if it has none."""
        self.milliseconds = 0.0
        """Time from the first BEGIN to the end of the last attempt, waits included."""

    def __repr__(self) -> str:
        return f"TransactionInfo(attempts={self.attempts}, milliseconds={self.milliseconds:.1f})"


class Course:
    """One transaction from its first attempt to its end; the engines of both blocks keep it."""

    def __init__(
        self,
        counters: Counters,
        count: Callable[[DatabaseError, bool], None],
        instrumentation: Instrumentation,
        advice: str,
    ) -> None:
        """Start; `count` counts a failed attempt, `advice` is the remedy once retries are exhausted."""
        self.info = TransactionInfo()
        self._counters = counters
        self._count = count
        self._instrumentation = instrumentation
        self._advice = advice
        self._started = time.monotonic()

    def attempt(self) -> TransactionInfo:
        """Begin an attempt."""
        self.info.attempts += 1
        return self.info

    def failed(self, error: DatabaseError, wait: float | None) -> None:
        """Note that an attempt failed; `wait`: the seconds until the next one, None if there is none."""
        error.attempts = self.info.attempts
        self.info.conflicts.append(error.sqlstate or type(error).__name__)
        self._count(error, wait is not None)
        if wait is None:
            if isinstance(error, SerializationFailure) and error.attempts > 1:
                error.advice = self._advice
            self._instrumentation.gave_up(error, self._elapsed())

    def committed(self) -> None:
        """Note that the transaction has committed."""
        seconds = self._elapsed()
        self._counters.add(commits=1)
        self._instrumentation.committed(self.info.attempts, seconds)

    def _elapsed(self) -> float:
        seconds = time.monotonic() - self._started
        self.info.milliseconds = seconds * 1000
        return seconds
