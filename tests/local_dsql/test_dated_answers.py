"""A local database answers as its dialect does, where the text of a statement decides and where the catalog does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql import LocalCluster
from local_dsql.divergences import BY_ID
from tests.dsql_dialect.dated_answers import ACCEPTED_BY_BOTH, CASES, SETUP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.dsql_dialect.dated_answers import Answer

WITH_KEY = "cannot use more than 256 columns in an index"
WITHOUT_KEY = "tables can have at most 255 columns"


@pytest.fixture(scope="module", params=["2026-09", "2026-11"])
def dated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    with (
        LocalCluster(tmp_path_factory.mktemp("dated"), dialect=request.param) as running,
        psycopg.connect(running.dsn(), autocommit=True) as connection,
    ):
        for statement in SETUP:
            connection.execute(statement)
        yield request.param, connection


def answer(connection: psycopg.Connection[Any], *statements: str) -> Answer:
    """Return the answer to the last of some statements in a transaction that is rolled back."""
    connection.execute("BEGIN")
    try:
        for statement in statements:
            connection.execute(statement)
    except psycopg.Error as error:
        report = error.diag
        return str(report.sqlstate), str(report.message_primary), report.message_detail or ""
    finally:
        connection.execute("ROLLBACK")
    return None


def columns(number: int) -> str:
    return ", ".join(f"c{each} int" for each in range(number))


def test_statements_are_answered_as_the_dialect_says(dated: tuple[str, psycopg.Connection[Any]]) -> None:
    dialect, connection = dated
    answers = {case.sql: answer(connection, case.sql) for case in CASES}
    assert answers == {case.sql: case.september if dialect == "2026-09" else case.november for case in CASES}
    assert [sql for sql in ACCEPTED_BY_BOTH if answer(connection, sql) is not None] == []


def test_a_reset_parameter_keeps_its_default(dated: tuple[str, psycopg.Connection[Any]]) -> None:
    dialect, connection = dated
    show = "SELECT setting FROM pg_settings WHERE name = 'work_mem'"
    before = connection.execute(show).fetchall()
    if dialect == "2026-11":
        connection.execute("RESET work_mem")
        connection.execute("SET work_mem TO DEFAULT")
    assert connection.execute(show).fetchall() == before
    assert connection.execute("SHOW transaction_isolation").fetchall() == [("repeatable read",)]


def test_a_parameter_whose_reset_was_not_seen_on_a_cluster(
    dated: tuple[str, psycopg.Connection[Any]],
) -> None:
    assert "reset-of-all-parameters" in BY_ID
    dialect, connection = dated
    accepted = answer(connection, "RESET idle_in_transaction_session_timeout") is None
    assert accepted == (dialect == "2026-11")


def test_the_most_columns_of_a_table(dated: tuple[str, psycopg.Connection[Any]]) -> None:
    dialect, connection = dated
    most = 255 if dialect == "2026-09" else 256
    keyed = f"CREATE TABLE wide (id int PRIMARY KEY, {columns(most - 1)})"
    assert answer(connection, f"CREATE TABLE wide ({columns(most)})") is None
    assert answer(connection, keyed) is None
    assert answer(connection, f"CREATE TABLE wide ({columns(most + 1)})") == ("54011", WITHOUT_KEY, "")
    assert answer(connection, keyed.replace("c0 int", "c0 int, d int")) == (
        "54011",
        WITHOUT_KEY if dialect == "2026-09" else WITH_KEY,
        "",
    )


def test_the_declared_size_of_an_index(dated: tuple[str, psycopg.Connection[Any]]) -> None:
    """The columns of the primary key do not count, nor do those of INCLUDE."""
    dialect, connection = dated
    connection.execute(
        "CREATE TABLE sized (id varchar(2000) PRIMARY KEY, a varchar(1001), b varchar(1000), c text)"
    )
    refused = "54000", "key size greater than 2000 bytes not supported", ""
    assert answer(connection, "CREATE INDEX ASYNC i ON sized (a, b)") == (
        None if dialect == "2026-09" else refused
    )
    for index in ("(id)", "(b, c) INCLUDE (a)", "(a, c)", "((a || b))"):
        assert answer(connection, f"CREATE INDEX ASYNC i ON sized {index}") is None
    assert answer(connection, "CREATE TABLE alike (LIKE sized, UNIQUE (id, a))") == (
        None if dialect == "2026-09" else refused
    )
    connection.execute("DROP TABLE sized")


def test_the_details_of_a_failed_unique_build(dated: tuple[str, psycopg.Connection[Any]]) -> None:
    dialect, connection = dated
    connection.execute("CREATE TABLE twice (id int PRIMARY KEY, v int)")
    connection.execute("INSERT INTO twice VALUES (1, 1), (2, 1)")
    (job,) = connection.execute("CREATE UNIQUE INDEX ASYNC twice_v ON twice (v)").fetchone() or ("",)
    assert connection.execute("CALL sys.wait_for_job(%s)", (job,)).fetchone() == (False,)
    assert connection.execute("SELECT details FROM sys.jobs WHERE job_id = %s", (job,)).fetchone() == (
        "Found duplicate key while validating index for UCVs"
        if dialect == "2026-09"
        else "found duplicate key(s) while validating index uniqueness",
    )


def test_the_end_of_a_too_long_message(dated: tuple[str, psycopg.Connection[Any]]) -> None:
    """The newer dialect closes the connection without a word, as a cluster was seen to do.

    A client that still sends may find the connection closed before it reads the error of the older one.
    """
    dialect, connection = dated
    codes = set()
    for _ in range(5):
        with psycopg.connect(
            connection.info.dsn, password=connection.info.password, autocommit=True
        ) as sender:
            with pytest.raises(psycopg.OperationalError) as raised:
                sender.execute("SELECT length(%s)", ("x" * (10 * 1024 * 1024),))
            codes.add(raised.value.sqlstate)
    assert ("08P01" in codes) == (dialect == "2026-09")
    assert codes <= {"08P01", None}
