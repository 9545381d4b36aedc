"""Index builds and validations, as a client sees them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

UNFINISHED = "SELECT job_id FROM sys.jobs WHERE status IN ('submitted', 'processing')"
INDEX = "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = %s::regclass"


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS jobbed")
        connection.execute("CREATE TABLE jobbed (id int PRIMARY KEY, v text, k int)")
        connection.execute("INSERT INTO jobbed SELECT g, 'v' || g / 2, g FROM generate_series(1, 100) g")
        yield connection
        cluster.proxy.jobs.delay = 0.0
        for (job,) in connection.execute(UNFINISHED).fetchall():
            wait(connection, str(job))  # it may end amid the statements of the next test, which then conflict


def ask(connection: psycopg.Connection[Any], sql: str) -> str:
    """Run an asynchronous statement and return its job's id."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    assert len(row[0]) == 26
    return str(row[0])


def wait(connection: psycopg.Connection[Any], job: str) -> bool:
    """Wait for a job; return whether it succeeded."""
    row = connection.execute("CALL sys.wait_for_job(%s)", (job,)).fetchone()
    assert row is not None
    return bool(row[0])


def job_row(connection: psycopg.Connection[Any], job: str) -> tuple[Any, ...]:
    row = connection.execute(
        "SELECT status, job_type, class_id, object_name, details FROM sys.jobs WHERE job_id = %s", (job,)
    ).fetchone()
    assert row is not None
    return tuple(row)


def test_index_is_invalid_until_its_job_is_done(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    cluster.proxy.jobs.delay = 0.3
    job = ask(admin, "CREATE INDEX ASYNC jobbed_k ON jobbed (k)")
    assert job_row(admin, job)[:4] == ("submitted", "INDEX_BUILD", 1259, "public.jobbed_k")
    assert admin.execute(INDEX, ("jobbed_k",)).fetchone() == (False, False)
    assert wait(admin, job)
    assert job_row(admin, job)[0] == "completed"
    assert admin.execute(INDEX, ("jobbed_k",)).fetchone() == (True, False)


def test_a_unique_build_over_duplicates_fails_and_enforces(admin: psycopg.Connection[Any]) -> None:
    """The index stays, invalid, and refuses new duplicates until it is dropped."""
    job = ask(admin, "CREATE UNIQUE INDEX ASYNC jobbed_v ON jobbed (v)")
    assert not wait(admin, job)
    assert job_row(admin, job) == (
        "failed",
        "INDEX_BUILD",
        1259,
        "public.jobbed_v",
        "Found duplicate key while validating index for UCVs",
    )
    assert admin.execute(INDEX, ("jobbed_v",)).fetchone() == (False, True)
    with pytest.raises(psycopg.errors.UniqueViolation, match="jobbed_v"):
        admin.execute("INSERT INTO jobbed VALUES (1000, 'v7')")
    admin.execute("DROP INDEX jobbed_v")
    admin.execute("INSERT INTO jobbed VALUES (1000, 'v7')")


UNIQUE = [
    ("column", "ON jobbed (k)", True),
    ("partial, without the duplicates", "ON jobbed (v) WHERE v = 'v0'", True),
    ("partial, with duplicates", "ON jobbed (v) WHERE k > 50", False),
    ("expression", "ON jobbed ((k % 7))", False),
    ("nulls are distinct", "ON jobbed ((nullif(k, k)))", True),
    ("nulls are not distinct", "ON jobbed ((nullif(k, k))) NULLS NOT DISTINCT", False),
    ("with further columns", "ON jobbed (k) INCLUDE (v)", True),
]


@pytest.mark.parametrize(
    ("definition", "succeeds"), [case[1:] for case in UNIQUE], ids=[case[0] for case in UNIQUE]
)
def test_unique_builds(admin: psycopg.Connection[Any], definition: str, succeeds: bool) -> None:
    assert wait(admin, ask(admin, f"CREATE UNIQUE INDEX ASYNC jobbed_u {definition}")) is succeeds
    assert admin.execute(INDEX, ("jobbed_u",)).fetchone() == (succeeds, True)


def test_job_begins_with_the_commit(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """In a transaction that is rolled back nothing was ever asked for."""
    with cluster.connect(autocommit=False) as connection:
        job = ask(connection, "CREATE INDEX ASYNC jobbed_k ON jobbed (k)")
        connection.rollback()
        assert admin.execute("SELECT count(*) FROM sys.jobs WHERE job_id = %s", (job,)).fetchone() == (0,)
        job = ask(connection, "CREATE INDEX ASYNC jobbed_k ON jobbed (k)")
        connection.commit()
    assert wait(admin, job)


def test_nothing_to_do_is_no_job(admin: psycopg.Connection[Any]) -> None:
    assert wait(admin, ask(admin, "CREATE INDEX ASYNC jobbed_k ON jobbed (k)"))
    assert admin.execute("CREATE INDEX ASYNC IF NOT EXISTS jobbed_k ON jobbed (v)").fetchall() == []


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("CREATE INDEX ASYNC ON jobbed (nope)", "42703"),
        ("CREATE INDEX ASYNC ON nope (k)", "42P01"),
        ("CREATE INDEX ASYNC jobbed ON jobbed (k)", "42P07"),
        ("ALTER TABLE ASYNC jobbed VALIDATE CONSTRAINT nope", "42704"),
    ],
)
def test_refused_at_once(admin: psycopg.Connection[Any], sql: str, sqlstate: str) -> None:
    """An error of the statement is reported by the statement."""
    with pytest.raises(psycopg.Error) as raised:
        admin.execute(sql)
    assert raised.value.sqlstate == sqlstate


@pytest.mark.parametrize(("limit", "succeeds"), [(0, True), (50, False)])
def test_validation(admin: psycopg.Connection[Any], limit: int, succeeds: bool) -> None:
    """A constraint that some row breaks stays NOT VALID."""
    admin.execute(f"ALTER TABLE jobbed ADD CONSTRAINT above CHECK (k > {limit}) NOT VALID")
    assert wait(admin, ask(admin, "ALTER TABLE ASYNC jobbed VALIDATE CONSTRAINT above")) is succeeds
    row = admin.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'above'").fetchone()
    assert row == (succeeds,)


def test_job_id_is_described_before_it_is_known(admin: psycopg.Connection[Any]) -> None:
    """In the extended protocol the answer has its column too."""
    cursor = admin.execute("CREATE INDEX ASYNC jobbed_k ON jobbed (k)", prepare=True)
    assert cursor.statusmessage == "CREATE INDEX"
    assert cursor.description is not None
    assert [column.name for column in cursor.description] == ["job_id"]


def test_a_job_does_not_wait_for_open_transactions(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """One thread holds a reader and a writer open, and waits for the job."""
    with cluster.connect(autocommit=False) as reader, cluster.connect(autocommit=False) as writer:
        reader.execute("SELECT * FROM jobbed")
        writer.execute("UPDATE jobbed SET k = -1 WHERE id = 1")
        assert wait(admin, ask(admin, "CREATE INDEX ASYNC jobbed_k ON jobbed (k)"))
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC001"):
            writer.commit()


def test_a_job_without_a_notification_is_found(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """As of a client that died in its COMMIT: the worker looks by itself."""
    with cluster.direct() as direct:
        direct.execute(
            "INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id)"
            " VALUES ('unannounced', 'INDEX_BUILD', 1259, 1)"
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            row = direct.execute("SELECT status FROM local_dsql.job WHERE job_id = 'unannounced'").fetchone()
            if row == ("completed",):
                return
            time.sleep(0.05)
    pytest.fail("the job was never looked at")


def test_a_worker_that_is_cut_off_begins_the_job_again(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    cluster.proxy.jobs.delay = 0.3
    job = ask(admin, "CREATE INDEX ASYNC jobbed_k ON jobbed (k)")
    with cluster.direct() as direct:
        direct.execute("SELECT pg_terminate_backend(%s)", (cluster.proxy.jobs.backend.pid,))
    cluster.proxy.jobs.delay = 0.0
    assert wait(admin, job)
    assert admin.execute(INDEX, ("jobbed_k",)).fetchone() == (True, False)


def test_a_job_that_fails_leaves_the_next_one_alone(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    admin.execute("ALTER TABLE jobbed ADD CONSTRAINT above CHECK (k > 50) NOT VALID")
    cluster.proxy.jobs.delay = 0.1
    first = ask(admin, "ALTER TABLE ASYNC jobbed VALIDATE CONSTRAINT above")
    second = ask(admin, "CREATE UNIQUE INDEX ASYNC jobbed_k ON jobbed (k)")
    assert wait(admin, second)
    assert job_row(admin, first)[0] == "failed"
    assert admin.execute(INDEX, ("jobbed_k",)).fetchone() == (True, True)
