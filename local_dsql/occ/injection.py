"""Conflicts on request, so that a test can see what an application does about them."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Fault(enum.Enum):
    """What happens to the COMMIT."""

    OC000 = "OC000"
    """It fails with 40001: change conflicts with another transaction."""
    OC001 = "OC001"
    """It fails with 40001: schema has been updated by another transaction."""
    LOST = "connection-lost"
    """The connection breaks before anything is committed."""
    UNKNOWN = "outcome-unknown"
    """The connection breaks after the COMMIT, before its answer."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A COMMIT about to happen: by which role, through the endpoint of which Region, of changes to which tables.

    `tables` are names as the statements spell them, in lower case and without their schema.
    """

    role: str
    region: str
    tables: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Which COMMITs fail, and how. COMMITs that change nothing are never counted and never fail.

    Args:
        fault: what happens.
        times: how many COMMITs it happens to; None: all that match, until it is removed.
        every: it happens to every so many-th COMMIT that matches; 1: to each.
        table: only COMMITs that change this table match; None: all match.
        predicate: only attempts for which it returns true match.
    """

    fault: Fault = Fault.OC000
    times: int | None = 1
    every: int = 1
    table: str | None = None
    predicate: Callable[[Attempt], bool] | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: `times` or `every` is not positive.
        """
        if self.every < 1 or (self.times is not None and self.times < 1):
            raise ValueError("an injection happens at least once: times and every must be 1 or more")

    def matches(self, attempt: Attempt) -> bool:
        """Tell whether the COMMIT is one that may fail."""
        if self.table is not None and self.table.lower().rpartition(".")[2] not in attempt.tables:
            return False
        return self.predicate is None or self.predicate(attempt)


@dataclass(slots=True)
class _Armed:
    injection: Injection
    seen: int = 0
    done: int = 0


@dataclass(slots=True)
class Injector:
    """The injections that are armed."""

    _armed: dict[int, _Armed] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, injection: Injection) -> int:
        """Arm an injection; return its number, for `remove`."""
        number = next(self._numbers)
        self._armed[number] = _Armed(injection)
        return number

    def remove(self, number: int) -> None:
        """Disarm an injection; one that is used up or was never there is no error."""
        self._armed.pop(number, None)

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def armed(self) -> dict[int, Injection]:
        """Return what is armed, by number."""
        return {number: each.injection for number, each in self._armed.items()}

    def strike(self, attempt: Attempt) -> Fault | None:
        """Return what happens to a COMMIT, None if nothing does. Every injection that matches counts it."""
        found = None
        for number, each in list(self._armed.items()):
            if not each.injection.matches(attempt):
                continue
            each.seen += 1
            if found is None and each.seen % each.injection.every == 0:
                each.done += 1
                found = each.injection.fault
                if each.done == each.injection.times:
                    del self._armed[number]
        return found
