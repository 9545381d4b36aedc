"""Rows that were checked when they were made are not checked again when their transaction is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.plpgsql.conftest import PlpgsqlCluster

KATHMANDU = "SET LOCAL timezone = 'Asia/Kathmandu'"
IN_KATHMANDU = "v::text LIKE '%+05:45'"
INSERT = "INSERT INTO checked (id, v) VALUES (1, '2026-01-01')"
NUMBER = "INSERT INTO checked (id, v) VALUES (1, 1)"
ROLE = "INSERT INTO checked (id, v) VALUES (1, current_user)"


CODES = (
    "0a000",
    "23503",
    "23505",
    "23514",
    "25006",
    "40001",
    "40p01",
    "42501",
    "42p01",
    "57014",
    "p0001",
    "xx000",
)
"""SQLSTATEs that the engine takes for something else when PostgreSQL itself reports them."""


class Case(NamedTuple):
    """A table with a column `v` of a type and with CHECKs, and what a transaction does with it.

    `ends`: it can only end in a conflict once it has been suspended.
    """

    name: str
    type: str
    check: str
    statements: tuple[str, ...]
    ends: bool = False


CASES = (
    Case("always the same", "int", "v > 0", (NUMBER,)),
    Case("a parameter", "timestamptz", IN_KATHMANDU, (KATHMANDU, INSERT)),
    Case(
        "a parameter set again",
        "timestamptz",
        IN_KATHMANDU,
        (KATHMANDU, INSERT, "SET LOCAL timezone = 'UTC'"),
    ),
    Case(
        "a parameter reset",
        "timestamptz",
        IN_KATHMANDU,
        ("SET timezone = 'Asia/Kathmandu'", INSERT, "RESET timezone"),
    ),
    Case(
        "a parameter of set_config",
        "timestamptz",
        IN_KATHMANDU,
        ("SELECT set_config('TimeZone', 'Asia/Kathmandu', true)", INSERT),
    ),
    Case(
        "the time",
        "timestamptz",
        "v >= statement_timestamp()",
        ("INSERT INTO checked (id, v) VALUES (1, statement_timestamp())",),
    ),
    Case("the role", "text", "v = current_user", (ROLE,)),
    Case(
        "other rows",
        "int",
        "v = counted()",
        ("INSERT INTO checked (id, v) VALUES (1, 0)", "UPDATE beside SET n = 3"),
    ),
    Case("a row changed again", "text", "v = current_user", (ROLE, "UPDATE checked SET n = 3 WHERE id = 1")),
    Case(
        "several", "text", "v = current_user), CHECK (n < 10), CHECK (id > 0 AND now() IS NOT NULL", (ROLE,)
    ),
    Case("the role in a domain", "owned", "true", (ROLE,)),
    Case("a parameter in a domain", "zoned", "true", (KATHMANDU, INSERT)),
    Case(
        "a parameter in a domain, set again",  # `checks-run-again`
        "zoned",
        "true",
        (KATHMANDU, INSERT, "SET LOCAL timezone = 'UTC'"),
        ends=True,
    ),
    Case(
        "the time in a domain",  # `checks-run-again`
        "fresh",
        "true",
        ("INSERT INTO checked (id, v) VALUES (1, statement_timestamp())",),
        ends=True,
    ),
    *(
        Case(
            f"a condition of a domain raises {code}",  # `checks-run-again`
            f"raising_{code}",
            "true",
            (KATHMANDU, NUMBER, "SET LOCAL timezone = 'UTC'"),
            ends=True,
        )
        for code in CODES
    ),
)
DEFINITIONS = (
    "CREATE TABLE beside (id int PRIMARY KEY, n int)",
    "INSERT INTO beside VALUES (1, 0)",
    "GRANT ALL ON beside TO alice",
    "CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN"
    " RETURN (SELECT count(*) FROM beside WHERE n = 3); END $$",
    "CREATE FUNCTION raised(code text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
    " IF current_setting('timezone') = 'UTC' THEN RAISE EXCEPTION 'raised' USING ERRCODE = upper(code); END IF;"
    " RETURN true; END $$",
    *(f"CREATE DOMAIN raising_{code} AS int CHECK (raised('{code}'))" for code in CODES),
    "CREATE DOMAIN owned AS text CHECK (value = current_user)",
    "CREATE DOMAIN zoned AS timestamptz CHECK (value::text LIKE '%+05:45')",
    "CREATE DOMAIN fresh AS timestamptz CHECK (value >= statement_timestamp())",
)
DEFINED = (
    *("TABLE beside", "FUNCTION counted", "DOMAIN owned", "DOMAIN zoned", "DOMAIN fresh"),
    *(f"DOMAIN raising_{code}" for code in CODES),
    "FUNCTION raised",
)
OF_TABLES = [each for each in CASES if each.check != "true"]
ROWS = "SELECT id FROM checked"
OTHERS = "UPDATE beside SET n = 2"
CONSTRAINTS = "SELECT oid, conname FROM pg_constraint ORDER BY oid"


@pytest.fixture(scope="module")
def admin(november: PlpgsqlCluster) -> Iterator[psycopg.Connection[Any]]:
    """The owner of all objects, who may disturb the transactions."""
    with november.connect() as connection:
        for sql in DEFINITIONS:
            connection.execute(sql)
        yield connection
        for each in DEFINED:
            connection.execute(f"DROP {each}")


@pytest.fixture(params=CASES, ids=[each.name for each in CASES])
def case(admin: psycopg.Connection[Any], request: pytest.FixtureRequest) -> Iterator[Case]:
    """A case and its table."""
    chosen: Case = request.param
    admin.execute(
        f"CREATE TABLE checked (id int PRIMARY KEY, n int DEFAULT 1, v {chosen.type}, CHECK ({chosen.check}))"
    )
    admin.execute("GRANT ALL ON checked TO alice")
    yield chosen
    admin.execute("DROP TABLE checked")


@pytest.fixture
def alice(november: PlpgsqlCluster, case: Case) -> Iterator[psycopg.Connection[Any]]:
    """A session of a role that owns nothing, in a transaction that has done what the case says."""
    with november.connect(user="alice", password=november.token_of("alice")) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE beside SET n = 1")
        for sql in case.statements:
            connection.execute(sql)
        yield connection
        connection.execute("ROLLBACK")


def test_a_resumed_transaction_reads_and_commits_its_rows(
    admin: psycopg.Connection[Any], alice: psycopg.Connection[Any], case: Case
) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute(OTHERS)
    if case.ends:
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
            alice.execute(ROWS)
        return
    assert alice.execute(ROWS).fetchall() == [(1,)]
    with admin.transaction(force_rollback=True):
        admin.execute(OTHERS)
    alice.execute("COMMIT")
    assert admin.execute(ROWS).fetchall() == [(1,)]


def test_a_transaction_that_has_lost_reads_its_rows(
    admin: psycopg.Connection[Any], alice: psycopg.Connection[Any], case: Case
) -> None:
    """A row that its new snapshot cannot take is a conflict, and no end of the connection."""
    admin.execute(OTHERS)
    if case.ends:
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
            alice.execute(ROWS)
        return
    assert alice.execute(ROWS).fetchall() == [(1,)]
    with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
        alice.execute("COMMIT")


@pytest.mark.parametrize("case", OF_TABLES, ids=[each.name for each in OF_TABLES], indirect=True)
def test_other_rows_are_checked(
    admin: psycopg.Connection[Any], alice: psycopg.Connection[Any], case: Case
) -> None:
    """The CHECKs that were left out for the rows restored hold for all others."""
    with admin.transaction(force_rollback=True):
        admin.execute(OTHERS)
    assert alice.execute(ROWS).fetchall() == [(1,)]
    constraints = admin.execute(CONSTRAINTS).fetchall()
    assert alice.execute(CONSTRAINTS).fetchall() == constraints
    wrong = {"int": "-1", "text": "'other'", "timestamptz": "'-infinity'"}[case.type]
    with pytest.raises(psycopg.errors.CheckViolation):
        alice.execute(f"INSERT INTO checked (id, v) VALUES (2, {wrong})")
