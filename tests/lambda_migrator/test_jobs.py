"""Waiting for jobs, over every sequence of job row and catalog that DSQL documents."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest

from blocks_runtime import Sql
from custom_resource.deadline import Deadline, OutOfTime
from lambda_migrator import jobs
from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.jobs import Awaited, JobFailed

if TYPE_CHECKING:
    from lambda_migrator.admin import AdminConnection
    from lambda_migrator.lease import Lease
    from tests.lambda_migrator.conftest import Deployment


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_FIRST_POLL", 0.001)


in_memory = pytest.mark.usefixtures("short_pauses")
"""The mark of tests without a database, which need no time between two polls."""

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

    def renew_if_due(self, admin: object) -> None:
        self.kept += 1


def wait(course: Course) -> None:
    jobs.wait(cast("AdminConnection", course), cast("Lease", course), Awaited(VALID, JOB))


GOOD: dict[str, list[tuple[list[str], bool]]] = {
    "valid at once, no job": [(NO_JOB, True)],
    "built": [(["submitted"], False), (["processing"], False), (["completed"], True)],
    "completed, then valid": [(["completed"], False), (["completed"], True)],
    "the row vanished, then valid": [(["processing"], False), (NO_JOB, False), (NO_JOB, True)],
    "a failed job of an earlier build": [(["failed", "old"], True)],
}


@in_memory
@pytest.mark.parametrize("polls", GOOD.values(), ids=GOOD)
def test_becomes_valid(polls: list[tuple[list[str], bool]]) -> None:
    course = Course(list(polls))
    wait(course)
    assert course.kept == sum(not valid for _, valid in polls), "the lease is kept while waiting"


BAD: dict[str, tuple[list[tuple[list[str], bool]], str]] = {
    "failed": ([(["processing"], False), (["failed", "Found duplicate key"], False)], "Found duplicate key"),
    "failed without a reason": ([(["failed"], False)], "its job failed"),
    "cancelled": ([(["cancelled"], False)], "its job cancelled"),
    "no running job": ([(NO_JOB, False)], "it is invalid, and has no running job"),
}


@in_memory
@pytest.mark.parametrize(("polls", "reason"), BAD.values(), ids=BAD)
def test_fails(polls: list[tuple[list[str], bool]], reason: str) -> None:
    with pytest.raises(JobFailed, match=reason):
        wait(Course(list(polls)))


@in_memory
def test_waits_until_the_deadline() -> None:
    course = Course([(["processing"], False)], seconds=0.3)
    with pytest.raises(OutOfTime):
        wait(course)
    assert course.kept > 1, "the lease must not expire while we wait"


@dataclass(frozen=True)
class Unseen:
    """A job that ends while no migrator looks, and what the next one makes of it."""

    name: str
    statement: str
    says: str | None = None


UNSEEN = [
    Unseen("built", "CREATE INDEX ASYNC t_n ON t (n);"),
    Unseen(
        "not unique",
        "CREATE UNIQUE INDEX ASYNC t_n ON t (n);",
        "002_job.sql:1:1: the index t_n could not be built\n"
        "DSQL says: it is invalid, and has no running job\n"
        "correct the conflicting rows and migrate again; the invalid index has been dropped",
    ),
]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if case.says is None else []) for case in UNSEEN],
    ids=[case.name for case in UNSEEN],
)
def test_a_job_without_a_row_is_judged_by_the_catalog(deployment: Deployment, case: Unseen) -> None:
    """Half an hour after a job's end DSQL forgets it; a deploy may come back later than that."""
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY, n int);"})
    deployment.migrate()
    deployment.run("INSERT INTO t VALUES (1, 5), (2, 5)")
    deployment.write({"002_job": case.statement})
    deployment.cluster.delay_jobs(5.0)
    with pytest.raises(OutOfTime):
        deployment.migrate(holder="gave up", seconds=4.0)
    assert deployment.journal()[1:] == [("002_job", 0, "started", 0)]
    while deployment.rows("SELECT 1 FROM sys.jobs WHERE status IN ('submitted', 'processing')"):
        time.sleep(0.2)
    assert deployment.rows("SELECT count(*) FROM sys.jobs") == [(1,)]
    forget_jobs(deployment)
    assert deployment.rows("SELECT count(*) FROM sys.jobs") == [(0,)]

    deployment.run("UPDATE _migrations_lock SET expires_at = now()")
    if case.says is None:
        assert deployment.migrate(holder="came back").applied == ("002_job",)
    else:
        with pytest.raises(MigrationFailedError) as told:
            deployment.migrate(holder="came back")
        assert str(told.value) == case.says
    left = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('t_n')"
    assert deployment.rows(left) == ([(True,)] if case.says is None else [])


def test_a_job_without_id_is_found_by_its_object_or_its_kind(
    deployment: Deployment,
) -> None:
    deployment.run("CREATE TABLE t (id int PRIMARY KEY, n int)", "CREATE INDEX ASYNC done ON t (n)")
    while deployment.rows("SELECT 1 FROM sys.jobs WHERE status <> 'completed'"):
        time.sleep(0.1)
    deployment.cluster.delay_jobs(60.0)
    unknown = jobs.index({"schema": "public", "table": "t", "name": "unknown"}, None)
    known = jobs.index({"schema": "public", "table": "t", "name": "done"}, None)
    with deployment.admin().open() as admin:
        assert admin.read(unknown.job) == []
        deployment.run("CREATE INDEX ASYNC other ON t (id, n)")
        assert [row["status"] for row in admin.read(unknown.job)] == ["submitted"]
        assert [row["status"] for row in admin.read(known.job)] == ["completed"]


def forget_jobs(deployment: Deployment) -> None:
    """Move the end of all ended jobs back by half an hour."""
    state = json.loads(deployment.cluster.folder.state_file.read_text())
    sockets = str(Path(state["control"]).parent)
    with psycopg.connect(host=sockets, user="postgres", dbname="postgres") as superuser:
        superuser.execute("UPDATE local_dsql.job SET update_time = update_time - interval '31 minutes'")
