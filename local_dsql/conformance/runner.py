"""Runs the cases on a cluster and returns the differences from the recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.conformance.cases import Refusal, Result
from local_dsql.conformance.facts_reader import interleaving
from local_dsql.conformance.session import retry_on_catalog_change
from local_dsql.conformance.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local_dsql.conformance.cases import Answer, Case, Protocol, RaceCase, Step
    from local_dsql.conformance.session import ClusterUnderTest, LibpqSession

CHANGES_NOTHING = {"BEGIN", "COMMIT", "ROLLBACK", "SELECT", "SHOW", "EXPLAIN", "ANALYZE", "SET"}
CONFLICT = Refusal("40001", "change conflicts with another transaction (OC000)")
COMMITTED = Result("COMMIT")
STATEMENT = "statement"
"""Name, in an interleaving, of the statement between BEGIN and COMMIT."""


class Runner:
    """Runs cases on one cluster, each in the initial state."""

    def __init__(self, target: ClusterUnderTest, cases: Iterable[Case]) -> None:
        """Connect, and drop objects of an interrupted run.

        Raises:
            ConformanceError: the cluster cannot be reached, or a DROP fails.
        """
        self._target = target
        self._session = target.connect()
        self._tables = Tables(self._prepare)
        self._interleaving = interleaving()
        for statement in {statement: None for case in cases for statement in case.cleanup}:
            self._prepare(statement)
        self._tables.drop()

    def _prepare(self, sql: str) -> None:
        self._session.prepare(sql)

    def close(self) -> None:
        """Drop the tables and disconnect."""
        self._tables.drop()
        self._session.close()

    def run(self, case: Case, protocol: Protocol) -> list[str]:
        """Run a case of one session; return its differences as texts."""
        if not self._session.usable:  # an earlier case closed the connection
            self._session = self._target.connect()
        answers = retry_on_catalog_change(lambda: self._attempt(case, protocol))
        return _differences(case.steps, answers)

    def _attempt(self, case: Case, protocol: Protocol) -> tuple[Answer, ...]:
        self._tables.ensure(case.uses)
        answers: tuple[Answer, ...] = ()
        try:
            for statement in case.given:
                self._prepare(statement)
            for step in case.steps:
                answers += self._session.run(step.sql, protocol)
        finally:
            self._clean_up(case, answers)
        return answers

    def _clean_up(self, case: Case, answers: tuple[Answer, ...]) -> None:
        """Undo the effects of the case."""
        if case.given or not self._session.usable or not all(map(_changes_nothing, answers)):
            self._tables.invalidate(case.uses)
        if self._session.usable:
            self._session.run("ROLLBACK")
            for statement in case.cleanup:
                self._prepare(statement)

    def race(self, conflict: RaceCase, commit_order: Sequence[str]) -> tuple[list[str], list[str]]:
        """Run a race of two sessions; return its differences, and the sessions that failed at COMMIT."""
        answers = retry_on_catalog_change(lambda: self._attempt_race(conflict, commit_order))
        steps = [conflict.steps[name] for name, move in self._interleaving.moves if move == STATEMENT]
        commits = dict(zip(commit_order, answers[len(steps) :], strict=True))
        differences = _differences(steps, answers[: len(steps)])
        for name, answer in commits.items():
            if answer not in (COMMITTED, CONFLICT):
                differences.append(f"COMMIT of {name}: {answer}")
        return differences, [name for name, answer in commits.items() if answer == CONFLICT]

    def _attempt_race(self, conflict: RaceCase, commit_order: Sequence[str]) -> tuple[Answer, ...]:
        """Return the responses to both statements and then to both COMMITs."""
        self._tables.ensure(conflict.uses)
        sessions: dict[str, LibpqSession] = {}
        answers: tuple[Answer, ...] = ()
        try:
            for name, move in self._interleaving.moves:
                if name not in sessions:
                    sessions[name] = self._target.connect()
                if move == STATEMENT:
                    answers += sessions[name].run(conflict.steps[name].sql, "extended")
                else:
                    sessions[name].prepare(move)
            for name in commit_order:
                answers += sessions[name].run("COMMIT", "extended")
        finally:
            self._tables.invalidate(conflict.uses)
            for session in sessions.values():
                session.close()
        return answers


def _changes_nothing(answer: Answer) -> bool:
    return isinstance(answer, Refusal) or answer.tag.split()[0] in CHANGES_NOTHING


def _differences(steps: Sequence[Step], answers: Sequence[Answer]) -> list[str]:
    """Compare the responses of all steps; once their number differs, the rest cannot be assigned to steps."""
    differences = []
    rest = list(answers)
    for step in steps:
        got, rest = rest[: len(step.answers)], rest[len(step.answers) :]
        alike = len(got) == len(step.answers) and all(
            a.matches(fact) for a, fact in zip(got, step.answers, strict=True)
        )
        if not alike:
            differences.append(f"{step.sql}\n  recorded: {_shown(step.answers)}\n  answered: {_shown(got)}")
    return differences + ([f"one answer too many: {_shown(rest)}"] if rest else [])


def _shown(answers: Sequence[Answer]) -> str:
    return "; ".join(map(str, answers)) or "nothing"
