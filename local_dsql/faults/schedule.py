"""Armed faults, and which of the attempts that match them they hit. The local DynamoDB uses it, too."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Scheduled(Protocol):
    """An injection: `every` hits only each Nth attempt that matches, `times` at most so many; None: any number."""

    @property
    def times(self) -> int | None: ...
    @property
    def every(self) -> int: ...


InjectionT = TypeVar("InjectionT", bound=Scheduled)


def check_schedule(injection: Scheduled) -> None:
    """Check the values of an injection.

    Raises:
        ValueError: `times` or `every` is not positive.
    """
    if injection.every < 1 or (injection.times is not None and injection.times < 1):
        raise ValueError("times and every must be 1 or more")


@dataclass(slots=True)
class _Armed(Generic[InjectionT]):
    injection: InjectionT
    seen: int = 0
    done: int = 0


@dataclass(slots=True)
class Schedule(Generic[InjectionT]):
    """The armed injections by number, in the order in which they were armed."""

    _armed: dict[int, _Armed[InjectionT]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, injection: InjectionT) -> int:
        """Arm an injection and return its number, for `remove`."""
        number = next(self._numbers)
        self._armed[number] = _Armed(injection)
        return number

    def remove(self, number: int) -> None:
        """Disarm an injection; no error if it is used up or unknown."""
        self._armed.pop(number, None)

    def clear(self) -> None:
        """Disarm all injections."""
        for number in list(self._armed):
            self.remove(number)

    @property
    def is_armed(self) -> bool:
        """Return whether any injection is armed."""
        return bool(self._armed)

    def armed(self) -> dict[int, InjectionT]:
        """Return the armed injections by number."""
        return {number: each.injection for number, each in self._armed.items()}

    def next(self, matches: Callable[[int, InjectionT], bool]) -> InjectionT | None:
        """Return the injection that hits an attempt, or None. Every injection that matches counts the attempt.

        The first one that is due hits. It is disarmed if this was the last of its `times`.
        """
        found = None
        for number, each in list(self._armed.items()):
            if not matches(number, each.injection):
                continue
            each.seen += 1
            if found is None and each.seen % each.injection.every == 0:
                each.done += 1
                found = each.injection
                if each.done == found.times:
                    self.remove(number)
        return found
