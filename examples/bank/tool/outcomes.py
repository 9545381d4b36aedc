"""Outcomes of transfers, and their counts for each second."""

from __future__ import annotations

import enum
import threading
from collections import defaultdict
from dataclasses import dataclass, field


class Kind(enum.Enum):
    """End of a transfer."""

    MADE = "made"
    CONFLICT = "failed with a conflict"
    REFUSED = "refused by the bank"
    ERROR = "failed with another error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One transfer: its end, the number of transactions it took, and its seconds."""

    kind: Kind
    attempts: int
    seconds: float
    error: str = ""

    @property
    def retries(self) -> int:
        """Transactions after the first one."""
        return self.attempts - 1

    @property
    def conflicts(self) -> int:
        """Transactions that failed at COMMIT."""
        return self.attempts if self.kind is Kind.CONFLICT else self.retries


@dataclass(slots=True)
class Counts:
    """Sums over outcomes, and the latencies of the transfers that were made."""

    ended: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    conflicts: int = 0
    retries: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def made(self) -> int:
        """Transfers that were committed."""
        return self.ended[Kind.MADE]

    def add(self, outcome: Outcome) -> None:
        """Add an outcome."""
        self.ended[outcome.kind] += 1
        self.conflicts += outcome.conflicts
        self.retries += outcome.retries
        if outcome.kind is Kind.MADE:
            self.latencies.append(outcome.seconds)

    def join(self, other: Counts) -> None:
        """Add the sums of another object."""
        for kind, number in other.ended.items():
            self.ended[kind] += number
        self.conflicts += other.conflicts
        self.retries += other.retries
        self.latencies += other.latencies

    def percentile(self, percent: float) -> float:
        """Return a percentile of the latencies in milliseconds; 0 without any."""
        return percentile(self.latencies, percent) * 1000


def percentile(values: list[float], percent: float) -> float:
    """Return the smallest value that is not below `percent` percent of all values; 0 without any."""
    if not values:
        return 0.0
    rank = -(-len(values) * percent // 100)  # rounded up
    return sorted(values)[max(int(rank), 1) - 1]


class Statistics:
    """Counts of a run by second; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: defaultdict[int, Counts] = defaultdict(Counts)
        self.first_error = ""

    def add(self, outcome: Outcome, elapsed: float) -> None:
        """Add an outcome that ended `elapsed` seconds after the start."""
        with self._lock:
            self._seconds[int(elapsed)].add(outcome)
            if outcome.kind is Kind.ERROR:
                self.first_error = self.first_error or outcome.error

    def total(self, first: int = 0, end: int | None = None) -> Counts:
        """Return the sums of the seconds from `first` on, and before `end`."""
        joined = Counts()
        with self._lock:
            for second, counts in self._seconds.items():
                if first <= second and (end is None or second < end):
                    joined.join(counts)
        return joined

    def by_second(self, end: int) -> list[Counts]:
        """Return the counts of each second before `end`."""
        return [self.total(second, second + 1) for second in range(end)]
