"""The local database refuses what `blocks lint` refuses, in the same words, and accepts the rest.

One statement of every kind in PostgreSQL's grammar. What lint accepts may still fail for the names and values in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.pq import DiagnosticField, ExecStatus

from dsql_dialect import parse, profile
from local_dsql import LocalCluster
from tests.dsql_dialect.grammar_corpus import CORPUS

if TYPE_CHECKING:
    from pathlib import Path

SETUP = (
    "CREATE TABLE a (id int PRIMARY KEY, b int, c int, v text, x int)",
    "CREATE TABLE b (id int PRIMARY KEY, c int, d int, v text)",
)
ENDLESS = "WITH RECURSIVE r"
COPIES = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT)
FOR_NAMES_AND_VALUES = {
    *("42P01", "42703", "42704", "42883", "3F000", "34000", "26000"),  # there is no such object
    *("42P06", "42P07", "42701", "42710", "42723"),  # there is one already
    *("42601", "42P13", "42P16", "42804", "22023", "23502", "42501"),  # what PostgreSQL's analysis finds
}
OF_POSTGRESQL = {
    "unsupported XML feature",
    "WITH CHECK OPTION is supported only on automatically updatable views",
}
"""Refusals with 0A000 that depend on more than the grammar: how PostgreSQL was built, the query of a view."""


def answer(client: psycopg.Connection, sql: str) -> tuple[str, str] | None:
    """Return SQLSTATE and text of the error of a statement in a block, or None; its effect is rolled back."""
    client.pgconn.exec_(b"BEGIN")
    result = client.pgconn.exec_(sql.encode())
    if result.status in COPIES:
        client.close()
        return None
    fields = (DiagnosticField.SQLSTATE, DiagnosticField.MESSAGE_PRIMARY)
    sqlstate, message = ((result.error_field(each) or b"").decode() for each in fields)
    client.pgconn.exec_(b"ROLLBACK")
    return (sqlstate, message) if sqlstate else None


def differs(given: tuple[str, str] | None, sql: str, dialect: str) -> bool:
    """Return whether an answer is another one than lint gives."""
    found = parse(sql, profile(dialect)).findings
    if found:
        return given not in [(each.sqlstate, each.message) for each in found]
    return given is not None and given[0] not in FOR_NAMES_AND_VALUES and given[1] not in OF_POSTGRESQL


@pytest.mark.parametrize("dialect", [pytest.param("portable", marks=pytest.mark.slow), "2026-09"])
def test_lint_and_the_local_database_refuse_the_same_statements(tmp_path: Path, dialect: str) -> None:
    others = {}
    with LocalCluster(tmp_path, dialect=dialect) as cluster:
        client = psycopg.connect(cluster.dsn(), autocommit=True)
        for sql in SETUP:
            client.execute(sql.encode())
        for sql in CORPUS:
            if sql.startswith(
                (ENDLESS, "CALL sys.", "ANALYZE")
            ):  # the latter two run outside of a block only
                continue
            if client.closed:
                client = psycopg.connect(cluster.dsn(), autocommit=True)
            given = answer(client, sql)
            if differs(given, sql, dialect):
                others[sql] = given
        client.close()
    assert others == {}
