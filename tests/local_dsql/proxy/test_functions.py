"""Statements that write by way of a function, or lock by way of a view, keep to all rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.proxy import Injection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

DEFINITIONS = (
    "CREATE TABLE hid (id int PRIMARY KEY, v int)",
    "CREATE FUNCTION hid_add(n int) RETURNS void LANGUAGE sql AS $$ INSERT INTO hid VALUES (n, 0) $$",
    "CREATE FUNCTION hid_up(n int) RETURNS int LANGUAGE sql"
    " BEGIN ATOMIC UPDATE hid SET v = v + 1 WHERE id = n RETURNING v; END",
    "CREATE FUNCTION hid_deep(n int) RETURNS int LANGUAGE sql RETURN hid_up(n)",
    "CREATE FUNCTION hid_move(old int, new int) RETURNS void LANGUAGE sql AS 'UPDATE hid SET id = new WHERE id = old'",
    "CREATE FUNCTION hid_drop(n int) RETURNS void LANGUAGE sql AS 'DELETE FROM hid WHERE id = n'",
    "CREATE VIEW hid_view AS SELECT hid_deep(id) AS v FROM (VALUES (1)) one (id)",
    "CREATE VIEW hid_locked AS SELECT id, v FROM hid FOR UPDATE",
    "CREATE FUNCTION hid_read(n int) RETURNS int LANGUAGE sql RETURN (SELECT v FROM hid WHERE id = n)",
)


@pytest.fixture(scope="module")
def defined(cluster: Cluster) -> Iterator[None]:
    with cluster.connect() as admin:
        for sql in DEFINITIONS:
            admin.execute(sql)
        yield
        for kind, name in (
            *(("VIEW", "hid_view"), ("VIEW", "hid_locked"), ("FUNCTION", "hid_deep"), ("FUNCTION", "hid_up")),
            *(
                ("FUNCTION", "hid_move"),
                ("FUNCTION", "hid_drop"),
                ("FUNCTION", "hid_add"),
                ("FUNCTION", "hid_read"),
                ("TABLE", "hid"),
            ),
        ):
            admin.execute(f"DROP {kind} {name}")


@pytest.fixture
def admin(cluster: Cluster, defined: None) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        connection.execute("DELETE FROM hid")
        connection.execute("INSERT INTO hid VALUES (1, 0), (2, 0)")
        yield connection


@pytest.mark.slow
def test_rows_count_while_the_log_is_followed(admin: psycopg.Connection[Any]) -> None:
    """The engine leaves out the log of what has ended, at any moment, and never that of a statement that runs."""
    for _ in range(40):
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            admin.execute("SELECT hid_add(g) FROM generate_series(10, 3010) g")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT hid_add(g) FROM generate_series(10, 3010) g",
        "WITH n AS (SELECT hid_add(g) FROM generate_series(10, 3010) g) SELECT count(*) FROM n",
        "EXPLAIN ANALYZE SELECT hid_add(g) FROM generate_series(10, 3010) g",
    ],
)
@pytest.mark.parametrize("prepare", [False, True])
def test_rows_count(admin: psycopg.Connection[Any], sql: str, prepare: bool) -> None:
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="transaction row limit exceeded"):
        admin.execute(sql, prepare=prepare)
    assert admin.execute("SELECT count(*) FROM hid").fetchone() == (2,)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT hid_up(1)",
        "SELECT hid_deep(1)",
        "SELECT * FROM hid_view",
        "SELECT * FROM hid_locked WHERE id = 1",
    ],
)
@pytest.mark.parametrize("first_wins", [True, False])
def test_first_committer_wins(
    cluster: Cluster, admin: psycopg.Connection[Any], sql: str, first_wins: bool
) -> None:
    with cluster.connect(autocommit=False) as first, cluster.connect(autocommit=False) as second:
        first.execute(sql)
        second.execute("UPDATE hid SET v = 9 WHERE id = 1")
        winner, loser = (first, second) if first_wins else (second, first)
        winner.commit()
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
            loser.commit()


def test_a_key_that_a_function_has_taken_away_is_remembered(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    """PostgreSQL would let a stale insert of it through."""
    for function in ("hid_move(1, 8)", "hid_drop(1)"):
        admin.execute("DELETE FROM hid")
        admin.execute("INSERT INTO hid VALUES (1, 0)")
        with cluster.connect(autocommit=False) as stale:
            stale.execute("SELECT 1")
            admin.execute(f"SELECT {function}")
            with pytest.raises(psycopg.errors.UniqueViolation):
                stale.execute("INSERT INTO hid VALUES (1, 1)")
            stale.rollback()


def test_ddl_and_a_function_that_writes_share_no_transaction(admin: psycopg.Connection[Any]) -> None:
    for sql in (
        "CREATE TABLE hid_other (id int); SELECT hid_add(5)",
        "SELECT hid_add(5); CREATE TABLE hid_other (id int)",
        "CREATE FUNCTION hid_new() RETURNS void LANGUAGE sql AS 'DELETE FROM hid'; SELECT hid_new()",
    ):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="ddl and dml"):
            admin.execute(sql)
    assert admin.execute("SELECT count(*) FROM hid").fetchone() == (2,)
    admin.execute("CREATE TABLE hid_other (id int); SELECT hid_read(1)")
    admin.execute("DROP TABLE hid_other")


def test_conflicts_are_injected_and_logged_by_table(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    cluster.proxy.engine.services.injector.add(Injection(table="hid"))
    with pytest.raises(psycopg.errors.SerializationFailure):
        admin.execute("SELECT hid_deep(1)")
    assert cluster.proxy.engine.services.conflict_log.conflicts[-1].tables == ("hid",)
    admin.execute("SELECT hid_deep(1)")


def test_copy_out_of_what_writes(admin: psycopg.Connection[Any]) -> None:
    for sql, expected in (
        ("COPY (INSERT INTO hid VALUES (7, 7) RETURNING id) TO STDOUT", b"7\n"),
        ("COPY (SELECT hid_up(1)) TO STDOUT", b"1\n"),
    ):
        with admin.cursor().copy(sql) as copy:
            assert b"".join(bytes(part) for part in copy) == expected
    assert admin.execute("SELECT v FROM hid WHERE id IN (1, 7) ORDER BY id").fetchall() == [(1,), (7,)]
