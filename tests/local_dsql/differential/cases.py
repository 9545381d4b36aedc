"""Interleavings of two or three sessions as data, and the runner of them, for the local DSQL and for the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, Union

from tests.local_dsql.differential.wire_session import Answer, Protocol, Request
from tests.support.timing import TooSlowError

if TYPE_CHECKING:
    from tests.local_dsql.differential.oracle import Lock


@dataclass(frozen=True)
class Error:
    """An error by its SQLSTATE and a part of its message."""

    sqlstate: str
    part: str = ""


@dataclass(frozen=True)
class OneOf:
    """Several answers, of which each is right."""

    answers: tuple[Expected, ...]


class Anything:
    """Any answer but an error."""


@dataclass(frozen=True)
class Step:
    """A statement of a session and its answer: a tag, rows in any order, an error.

    `lock`: the rows that it locks, for the oracle. `copy`: what is sent to COPY FROM STDIN.
    """

    session: str
    sql: str
    expected: Expected
    lock: Lock | None = None
    copy: str | None = None


Expected: TypeAlias = Union[str, "Sequence[Sequence[str | None]]", Error, OneOf, Anything]
Steps: TypeAlias = Sequence[Union[Step, "Steps"]]

ANY = Anything()
OC000 = Error("40001", "(OC000)")
DUPLICATE, ORPHAN = Error("23505"), Error("23503")
CONFLICT_OR_DUPLICATE = OneOf((DUPLICATE, OC000))


@dataclass(frozen=True)
class Case:
    """Tables and rows, and what the sessions say and are answered.

    `oracle`: whether the oracle can play it; it cannot
    where a session runs DDL in between.
    """

    name: str
    setup: tuple[str, ...]
    steps: Steps
    oracle: bool = True


def case(name: str, setup: Sequence[str], *steps: Step | Steps, oracle: bool = True) -> Case:
    """Return a case."""
    return Case(name, tuple(setup), steps, oracle)


def a(sql: str, expected: Expected = ANY, lock: Lock | None = None) -> Step:
    """Return a step of session A."""
    return Step("a", sql, expected, lock)


def b(sql: str, expected: Expected = ANY, lock: Lock | None = None) -> Step:
    """Return a step of session B."""
    return Step("b", sql, expected, lock)


def c(sql: str, expected: Expected = ANY, lock: Lock | None = None) -> Step:
    """Return a step of session C."""
    return Step("c", sql, expected, lock)


def suspend(sql: str) -> Steps:
    """Return the steps of a session that takes rows and rolls back: nothing is committed, and no session may notice."""
    return (b("BEGIN", "BEGIN"), b(sql), b("ROLLBACK", "ROLLBACK"))


def flat(steps: Steps) -> Iterator[Step]:
    """Yield the steps one by one."""
    for step in steps:
        if isinstance(step, Step):
            yield step
        else:
            yield from flat(step)


def play(
    steps: Steps, ask: Callable[[Step, Request], Answer], protocol: Protocol, longest: float | None = None
) -> None:
    """Run the steps one after the other.

    Args:
        ask: runs the request of a step in its session.
        protocol: how statements are sent; COMMIT and the like too.
        longest: seconds that a statement may take; None: it does not count.

    Raises:
        AssertionError: an answer is not as expected; with all that was said.
        TooSlowError: an answer took too long.
    """
    said: list[str] = []
    for step in flat(steps):
        answer = ask(step, Request(step.sql, copy=step.copy, protocol=protocol))
        said.append(f"  {step.session}: {step.sql}\n      -> {answer}")
        story = "\n".join(said)
        assert matches(answer, step.expected), f"expected {step.expected!r}\n{story}"
        if longest is not None and answer.seconds > longest:
            raise TooSlowError(f"took {answer.seconds:.3f} s\n{story}")


def matches(answer: Answer, expected: Expected) -> bool:
    """Return whether an answer is as expected."""
    if isinstance(expected, OneOf):
        return any(matches(answer, each) for each in expected.answers)
    if isinstance(expected, Error):
        return answer.sqlstate == expected.sqlstate and expected.part in answer.message
    if answer.failed:
        return False
    if isinstance(expected, Anything):
        return True
    if isinstance(expected, str):
        return answer.tag == expected
    rows = sorted(tuple(None if value is None else value.decode() for value in row) for row in answer.rows)
    return rows == sorted(tuple(row) for row in expected)
