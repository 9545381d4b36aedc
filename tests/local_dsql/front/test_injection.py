"""Conflicts on request, and the log of conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.front import Attempt, Fault, Injection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.front.cluster import Cluster


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        for table in ("apples", "pears"):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id int PRIMARY KEY, n int)")
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
        yield connection
    cluster.front.injector.clear()


def outcomes(connection: psycopg.Connection[Any], *tables: str) -> list[str]:
    """Write to each table in autocommit mode and say what became of it."""
    said = []
    for table in tables:
        try:
            connection.execute(f"UPDATE {table} SET n = n + 1 WHERE id = 1")
            said.append("ok")
        except psycopg.errors.SerializationFailure as error:
            said.append(str(error.diag.message_primary)[-6:-1])
    return said


INJECTIONS = [
    ("the next", Injection(), ["OC000", "ok", "ok", "ok"]),
    ("the next two", Injection(times=2), ["OC000", "OC000", "ok", "ok"]),
    ("every second", Injection(times=None, every=2), ["ok", "OC000", "ok", "OC000"]),
    ("of a table", Injection(table="public.Pears"), ["ok", "OC000", "ok", "ok"]),
    ("OC001", Injection(fault=Fault.OC001), ["OC001", "ok", "ok", "ok"]),
    (
        "by predicate",
        Injection(predicate=lambda attempt: attempt == Attempt("admin", "us-east-1", frozenset({"pears"}))),
        ["ok", "OC000", "ok", "ok"],
    ),
]


@pytest.mark.parametrize(
    ("injection", "expected"), [case[1:] for case in INJECTIONS], ids=[case[0] for case in INJECTIONS]
)
def test_commits_fail_as_asked(
    cluster: Cluster, admin: psycopg.Connection[Any], injection: Injection, expected: list[str]
) -> None:
    cluster.front.injector.add(injection)
    assert outcomes(admin, "apples", "pears", "apples", "pears") == expected


def test_reads_are_left_alone(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    number = cluster.front.injector.add(Injection())
    with cluster.connect(autocommit=False) as reader:
        reader.execute("SELECT * FROM apples")
        reader.commit()
    assert number in cluster.front.injector.armed()
    cluster.front.injector.remove(number)
    assert outcomes(admin, "apples") == ["ok"]


@pytest.mark.parametrize(("fault", "committed"), [(Fault.LOST, 0), (Fault.UNKNOWN, 1)])
def test_connection_breaks_at_commit(
    cluster: Cluster, admin: psycopg.Connection[Any], fault: Fault, committed: int
) -> None:
    """Before or after the COMMIT: the client cannot tell which."""
    cluster.front.injector.add(Injection(fault=fault))
    with cluster.connect(autocommit=False) as connection:
        connection.execute("UPDATE apples SET n = 1 WHERE id = 1")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert admin.execute("SELECT n FROM apples WHERE id = 1").fetchone() == (committed,)


def test_an_injection_that_never_happens_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Injection(every=0)


def test_log_says_who_lost_to_whom(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    with cluster.connect(autocommit=False) as loser, cluster.connect(autocommit=False) as winner:
        loser.execute("UPDATE apples SET n = 1")
        winner.execute("UPDATE apples SET n = 2 WHERE id = 2")
        winner.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            loser.commit()
        last = cluster.front.conflicts[-1]
        assert last.loser == f"admin@us-east-1#{loser.info.backend_pid}"
        assert last.winners == (f"admin@us-east-1#{winner.info.backend_pid}",)
    assert (last.code, last.tables, set(last.rows), last.injected) == (
        "OC000",
        ("apples",),
        {"(1)", "(2)"},
        False,
    )
