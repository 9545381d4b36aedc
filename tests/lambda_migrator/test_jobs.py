"""What is made of a job's row and the catalog's answer, over every course that DSQL documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from blocks_runtime import Sql
from lambda_migrator import jobs
from lambda_migrator.deadline import Deadline, OutOfTime
from lambda_migrator.jobs import Awaited, JobFailed

if TYPE_CHECKING:
    from lambda_migrator.admin import Admin
    from lambda_migrator.lease import Lease

VALID, JOB = Sql(("valid",)), Sql(("job",))
NO_JOB: list[str] = []


class Course:
    """The answers to one poll after another, each (status and details of the job, whether it is valid)."""

    def __init__(self, polls: list[tuple[list[str], bool]], seconds: float = 30.0) -> None:
        self._polls = polls
        self.deadline = Deadline.after(seconds)
        self.kept = 0

    def read(self, statement: Sql) -> list[dict[str, Any]]:
        job, valid = self._polls[0]
        if statement is VALID:
            if len(self._polls) > 1:
                self._polls.pop(0)
            return [{"present": valid}]
        return [dict(zip(("status", "details"), [*job, None], strict=False))] if job else []

    def keep(self, admin: object) -> None:
        self.kept += 1


def wait(course: Course) -> None:
    jobs.wait(cast("Admin", course), cast("Lease", course), Awaited(VALID, JOB))


GOOD: dict[str, list[tuple[list[str], bool]]] = {
    "valid at once, no job": [(NO_JOB, True)],
    "built": [(["submitted"], False), (["processing"], False), (["completed"], True)],
    "completed, then valid": [(["completed"], False), (["completed"], True)],
    "the row vanished, then valid": [(["processing"], False), (NO_JOB, False), (NO_JOB, True)],
    "a failed job of an earlier build": [(["failed", "old"], True)],
}


@pytest.mark.parametrize("polls", GOOD.values(), ids=GOOD)
def test_becomes_valid(polls: list[tuple[list[str], bool]]) -> None:
    course = Course(list(polls))
    wait(course)
    assert course.kept == sum(not valid for _, valid in polls), "the lease is kept while waiting"


BAD: dict[str, tuple[list[tuple[list[str], bool]], str]] = {
    "failed": ([(["processing"], False), (["failed", "Found duplicate key"], False)], "Found duplicate key"),
    "failed without a reason": ([(["failed"], False)], "its job failed"),
    "cancelled": ([(["cancelled"], False)], "its job cancelled"),
    "nobody works on it": ([(NO_JOB, False)], "no job works on it"),
}


@pytest.mark.parametrize(("polls", "reason"), BAD.values(), ids=BAD)
def test_fails(polls: list[tuple[list[str], bool]], reason: str) -> None:
    with pytest.raises(JobFailed, match=reason):
        wait(Course(list(polls)))


def test_waits_until_the_deadline() -> None:
    course = Course([(["processing"], False)], seconds=0.3)
    with pytest.raises(OutOfTime):
        wait(course)
    assert course.kept > 1, "the lease must not expire while we wait"
