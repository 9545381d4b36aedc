"""The armed injections, and the lookup of the fault for a COMMIT."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from local_dsql.faults.injection import Injection
from local_dsql.faults.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Collection

    from local_dsql.faults.injection import Attempt, Fault
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
class _Predicate:
    evaluator: PredicateEvaluator
    evaluated: int = 0

    async def evaluate(self, attempt: Attempt) -> bool:
        self.evaluated += 1
        return await self.evaluator.evaluate(replace(attempt, number=self.evaluated))


@dataclass(slots=True)
class Injector(Schedule[Injection]):
    """The armed injections.

    A predicate may be slow, and others must be able to suspend the transaction meanwhile. So a COMMIT evaluates the
    predicates before it acquires the session (`evaluate_predicates`), and looks up its fault after the conflict check
    (`next_fault`).
    """

    has_predicates: bool = False
    """True if an armed injection has a predicate."""
    _predicates: dict[int, _Predicate] = field(default_factory=dict)

    def add(self, injection: Injection, evaluator: PredicateEvaluator | None = None) -> int:
        """Arm an injection and return its number, for `remove`; one with a predicate needs its evaluator."""
        assert (evaluator is None) == (injection.predicate is None)
        number = Schedule.add(self, injection)
        if evaluator is not None:
            self._predicates[number] = _Predicate(evaluator)
            self.has_predicates = True
        return number

    def remove(self, number: int) -> None:
        """Disarm an injection; no error if it is used up or unknown."""
        Schedule.remove(self, number)
        predicate = self._predicates.pop(number, None)
        self.has_predicates = bool(self._predicates)
        if predicate is not None:
            predicate.evaluator.cancel()

    async def evaluate_predicates(self, attempt: Attempt) -> frozenset[int]:
        """Evaluate all predicates for a COMMIT concurrently; return the numbers of the injections that match.

        Raises:
            PredicateFailed: one of them raised or timed out.
        """
        armed = self.armed()
        evaluated = {
            number: each for number, each in self._predicates.items() if armed[number].matches(attempt)
        }
        results = await asyncio.gather(
            *(each.evaluate(attempt) for each in evaluated.values()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return frozenset(number for number, matches in zip(evaluated, results, strict=True) if matches)

    def next_fault(self, attempt: Attempt, matched: Collection[int] = ()) -> Fault | None:
        """Return the fault to inject into a COMMIT, or None. Every injection that matches counts the COMMIT.

        `matched` are the injections whose predicates match, from `evaluate_predicates`.
        """
        found = self.next(
            lambda number, each: (
                each.matches(attempt) and (number not in self._predicates or number in matched)
            )
        )
        return None if found is None else found.fault
