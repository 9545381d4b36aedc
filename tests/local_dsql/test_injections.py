"""Fault injection through the control socket."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.errors import SerializationFailure

from blocks_runtime import signing
from local_dsql import Fault, LocalCluster, Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

    Connection = psycopg.Connection[TupleRow]

ROLE = "arn:aws:iam::000000000000:role/app"


@pytest.fixture
def cluster(shared_cluster: LocalCluster) -> LocalCluster:
    """A cluster with two Regions, no injections, an empty conflict log, and two empty tables."""
    shared_cluster.reset()
    shared_cluster.delay_jobs(0)
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, n int)")
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    return shared_cluster


@pytest.fixture
def connection(cluster: LocalCluster) -> Iterator[Connection]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        yield connection


def outcomes(connection: Connection, table: str, count: int) -> str:
    """Insert rows in `count` transactions; return `.` for each success and `x` for each failure."""
    seen = ""
    for _ in range(count):
        try:
            connection.execute(f"INSERT INTO {table} SELECT count(*) FROM {table}".encode())
            seen += "."
        except SerializationFailure:
            seen += "x"
    return seen


@pytest.mark.parametrize(
    ("injection", "expected"),
    [
        ({}, "x....."),
        ({"times": 3}, "xxx..."),
        ({"times": None}, "xxxxxx"),
        ({"every": 2, "times": None}, ".x.x.x"),
        ({"every": 3, "times": 1}, "..x..."),
        ({"table": "accounts"}, "x....."),
        ({"table": "public.accounts"}, "x....."),
        ({"table": "orders"}, "......"),
        ({"role": "admin"}, "x....."),
        ({"role": "app"}, "......"),
        ({"region": "us-east-1"}, "x....."),
        ({"region": "us-east-2"}, "......"),
        ({"role": "admin", "region": "us-east-1", "table": "accounts", "every": 2, "times": 2}, ".x.x.."),
    ],
    ids=lambda value: ",".join(map(str, value)) if isinstance(value, dict) else value,
)
def test_which_commits_fail(
    cluster: LocalCluster, connection: Connection, injection: dict[str, object], expected: str
) -> None:
    cluster.inject(**injection)  # type: ignore[arg-type]
    assert outcomes(connection, "accounts", 6) == expected
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (expected.count("."),)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.OC000, r"change conflicts with another transaction.*\(OC000\)"),
        ("OC000", r"\(OC000\)"),
        ("OC001", r"schema has been updated by another transaction.*\(OC001\)"),
    ],
)
def test_the_error_is_that_of_a_real_conflict_and_occurs_at_commit(
    cluster: LocalCluster, connection: Connection, fault: Fault | str, message: str
) -> None:
    cluster.inject(fault)
    connection.autocommit = False
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    connection.commit()
    connection.execute("INSERT INTO accounts VALUES (1, 0) RETURNING id")
    with pytest.raises(SerializationFailure, match=message):
        connection.commit()
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (0,)


@pytest.mark.parametrize(("fault", "rows"), [(Fault.LOST, 0), (Fault.UNKNOWN, 1)])
def test_connection_breaks_before_or_after_the_commit(
    cluster: LocalCluster, connection: Connection, fault: Fault, rows: int
) -> None:
    cluster.inject(fault)
    with psycopg.connect(cluster.dsn()) as victim:
        victim.execute("INSERT INTO accounts VALUES (1, 0)")
        with pytest.raises(psycopg.OperationalError) as failure:
            victim.commit()
        assert failure.value.sqlstate is None
        assert victim.broken
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (rows,)
    assert cluster.conflicts() == ()


def test_injections_are_listed_and_disarmed(cluster: LocalCluster, connection: Connection) -> None:
    first = cluster.inject(Fault.OC000, table="orders", times=None)
    second = cluster.inject(Fault.OC001, every=2, times=4)
    armed = cluster.injections()
    assert [(number, each.fault, each.table, each.every, each.times) for number, each in armed.items()] == [
        (first, Fault.OC000, "orders", 1, None),
        (second, Fault.OC001, None, 2, 4),
    ]
    cluster.clear_injections(second)
    assert list(cluster.injections()) == [first]
    cluster.clear_injections(second)
    cluster.clear_injections()
    assert cluster.injections() == {}
    assert outcomes(connection, "orders", 3) == "..."


def test_a_used_up_injection_is_removed(cluster: LocalCluster, connection: Connection) -> None:
    cluster.inject()
    assert outcomes(connection, "accounts", 1) == "x"
    assert cluster.injections() == {}


def test_several_programs_see_the_same_injections(cluster: LocalCluster, connection: Connection) -> None:
    with LocalCluster(cluster.folder.path) as other:
        number = other.inject(times=None)
        assert list(cluster.injections()) == [number]
    assert outcomes(connection, "accounts", 2) == "xx"


def test_reset_removes_injections_and_conflicts(cluster: LocalCluster, connection: Connection) -> None:
    cluster.inject(times=None)
    outcomes(connection, "accounts", 2)
    assert len(cluster.conflicts()) == 2
    cluster.reset()
    assert cluster.injections() == {}
    assert cluster.conflicts() == ()


@pytest.mark.parametrize(
    ("injection", "message"),
    [
        ({"fault": "OC002"}, "unknown fault OC002; choose one of OC000, OC001, connection-lost, outcome-unknown"),
        ({"times": 0}, "times and every must be 1 or more"),
        ({"every": 0}, "times and every must be 1 or more"),
        ({"region": "eu-west-1"}, "eu-west-1 is not a Region of this cluster; it has us-east-1, us-east-2"),
    ],
)  # fmt: skip
def test_invalid_injections_are_refused(
    cluster: LocalCluster, injection: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cluster.inject(**injection)  # type: ignore[arg-type]
    assert cluster.injections() == {}


# the conflict log


def test_the_log_has_loser_winners_keys_and_time(cluster: LocalCluster, connection: Connection) -> None:
    connection.execute("INSERT INTO accounts VALUES (1, 0), (2, 0)")
    connection.execute("CREATE ROLE app WITH LOGIN")
    connection.execute(f"AWS IAM GRANT app TO '{ROLE}'".encode())
    connection.execute("GRANT SELECT, UPDATE ON accounts TO app")
    before = dt.datetime.now(dt.UTC)
    region = "us-east-2"
    credentials = cluster.identity(ROLE, [Permission("dsql:DbConnect", cluster.arn(region))])
    token = signing.token("localhost", region, "app", credentials)
    with psycopg.connect(cluster.dsn(region), user="app", password=token) as app:
        app.execute("UPDATE accounts SET n = 1 WHERE id = 2")
        connection.execute("UPDATE accounts SET n = 2 WHERE id = 2")
        connection.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(SerializationFailure):
            app.commit()
    (conflict,) = cluster.conflicts()
    assert conflict.code == "OC000"
    assert conflict.loser.partition("#")[0] == "app@us-east-2"
    assert [winner.partition("#")[0] for winner in conflict.winners] == ["admin@us-east-1"]
    assert (conflict.tables, conflict.rows, conflict.injected) == (("accounts",), ("(2)",), False)
    assert before <= conflict.at <= dt.datetime.now(dt.UTC)


def test_log_of_a_schema_change(cluster: LocalCluster, connection: Connection) -> None:
    with psycopg.connect(cluster.dsn("us-east-2")) as loser:
        loser.execute("INSERT INTO orders VALUES (1)")
        connection.execute("ALTER TABLE orders ADD COLUMN note text")
        with pytest.raises(SerializationFailure, match="OC001"):
            loser.commit()
    (conflict,) = cluster.conflicts()
    assert (conflict.code, conflict.tables) == ("OC001", ("orders",))
    assert [winner.partition("#")[0] for winner in conflict.winners] == ["admin@us-east-1"]


def test_jobs_are_delayed_also_after_a_reset(cluster: LocalCluster) -> None:
    cluster.delay_jobs(3600)
    for _ in range(2):
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE late (id int PRIMARY KEY)")
            connection.execute("CREATE INDEX ASYNC late_id ON late (id)")
            time.sleep(0.1)
            assert connection.execute("SELECT status FROM sys.jobs").fetchall() == [("submitted",)]
        cluster.reset()
    cluster.delay_jobs(0)
    with pytest.raises(ValueError, match="must be 0 seconds or more"):
        cluster.delay_jobs(-1)
