"""The armed injections, and the lookup of the fault for a COMMIT."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from local_dsql.faults.injection import Attempt, Fault, Injection
    from local_dsql.wire.messages import ServerMessage


class PredicateFailed(Exception):
    """A predicate raised or timed out; the COMMIT fails with `message`, and nothing is committed."""

    def __init__(self, message: ServerMessage) -> None:
        super().__init__(message.message)
        self.message = message


class PredicateEvaluator(Protocol):
    """Evaluates a predicate, usually in another process."""

    async def evaluate(self, attempt: Attempt) -> bool:
        """Return whether the COMMIT is to fail; false once the evaluator is cancelled.

        Raises:
            PredicateFailed: the predicate raised or timed out.
        """

    def cancel(self) -> None:
        """Stop evaluating: the injection is used up or removed."""


@dataclass(slots=True)
class _Armed:
    injection: Injection
    evaluator: PredicateEvaluator | None
    evaluated: int = 0
    seen: int = 0
    done: int = 0


@dataclass(slots=True)
class Injector:
    """The armed injections.

    A predicate may be slow, and others must be able to suspend the transaction meanwhile. So a COMMIT evaluates the
    predicates before it acquires the session (`evaluate_predicates`), and looks up its fault after the conflict check
    (`next_fault`).
    """

    has_predicates: bool = False
    """True if an armed injection has a predicate."""
    _armed: dict[int, _Armed] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, injection: Injection, evaluator: PredicateEvaluator | None = None) -> int:
        """Arm an injection and return its number, for `remove`; one with a predicate needs its evaluator."""
        assert (evaluator is None) == (injection.predicate is None)
        number = next(self._numbers)
        self._armed[number] = _Armed(injection, evaluator)
        self._changed()
        return number

    def remove(self, number: int) -> None:
        """Disarm an injection; no error if it is used up or unknown."""
        armed = self._armed.pop(number, None)
        self._changed()
        if armed is not None and armed.evaluator is not None:
            armed.evaluator.cancel()

    def clear(self) -> None:
        """Disarm all injections."""
        for number in list(self._armed):
            self.remove(number)

    def _changed(self) -> None:
        self.has_predicates = any(each.evaluator is not None for each in self._armed.values())

    @property
    def is_armed(self) -> bool:
        """Return whether any injection is armed."""
        return bool(self._armed)

    def armed(self) -> dict[int, Injection]:
        """Return the armed injections by number."""
        return {number: each.injection for number, each in self._armed.items()}

    async def evaluate_predicates(self, attempt: Attempt) -> frozenset[int]:
        """Evaluate all predicates for a COMMIT concurrently; return the numbers of the injections that match.

        Raises:
            PredicateFailed: one of them raised or timed out.
        """
        evaluated = {
            number: each
            for number, each in self._armed.items()
            if each.evaluator is not None and each.injection.matches(attempt)
        }
        results = await asyncio.gather(
            *(_evaluate(each, attempt) for each in evaluated.values()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return frozenset(number for number, matches in zip(evaluated, results, strict=True) if matches)

    def next_fault(self, attempt: Attempt, matched: Collection[int] = ()) -> Fault | None:
        """Return the fault to inject into a COMMIT, or None. Every injection that matches counts the COMMIT.

        `matched` are the injections whose predicates match, from `evaluate_predicates`.
        """
        found = None
        for number, each in list(self._armed.items()):
            if not each.injection.matches(attempt) or (each.evaluator is not None and number not in matched):
                continue
            each.seen += 1
            if found is None and each.seen % each.injection.every == 0:
                each.done += 1
                found = each.injection.fault
                if each.done == each.injection.times:
                    self.remove(number)
        return found


async def _evaluate(armed: _Armed, attempt: Attempt) -> bool:
    assert armed.evaluator is not None
    armed.evaluated += 1
    return await armed.evaluator.evaluate(replace(attempt, number=armed.evaluated))
