"""The grammar is PostgreSQL 16's: a PostgreSQL 16 parses the accepted statements, and stops at the same tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg.pq import DiagnosticField, ExecStatus

from dsql_dialect import RULES, parse, profile
from tests.dsql_dialect import recorded

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

CLUSTER = profile("2026-09")
NEWER_GRAMMAR = [rule.refused for rule in RULES.values() if rule.source == "PostgreSQL 16 grammar"]
MORE_OF_IT = [
    "CREATE TABLE a (v int, w int GENERATED ALWAYS AS (v * (2)))",
    "ALTER TABLE a ADD COLUMN w int GENERATED ALWAYS AS (v)",
    "ALTER TABLE a ADD COLUMN w int CHECK (w > 0) NOT ENFORCED",
    "ALTER TABLE a ADD CONSTRAINT c NOT NULL v",
    "ALTER TABLE a ALTER CONSTRAINT c NOT ENFORCED",
    "ALTER TABLE a ALTER CONSTRAINT c INHERIT",
    "CREATE TABLE a (v int REFERENCES b ENFORCED)",
    "MERGE INTO a USING b ON true WHEN NOT MATCHED BY SOURCE THEN DELETE",
    "SELECT * FROM JSON_TABLE('[]', '$' PASSING 1 AS x COLUMNS (id int))",
    "INSERT INTO a VALUES (1) RETURNING WITH (NEW AS n) n.v",
    "CREATE TABLE a (b_id int REFERENCES b MATCH PARTIAL)",
    "SELECT 'ü' FORM a b",
    "SELECT 1 +",
    "SELECT 'abc",
]
PASSING = sorted(
    {rule.accepted for rule in RULES.values()}.union(recorded.ACCEPTED, recorded.LEFT_TO_THE_CATALOG)
)


def answer(connection: psycopg.Connection, sql: str) -> tuple[str, str] | None:
    """SQLSTATE and text with which PostgreSQL refuses to prepare a statement, or None."""
    result = connection.pgconn.prepare(b"", sql.encode())
    return None if result.status == ExecStatus.COMMAND_OK else _refusal(result)


def _refusal(result: PGresult) -> tuple[str, str]:
    fields = (DiagnosticField.SQLSTATE, DiagnosticField.MESSAGE_PRIMARY)
    sqlstate, message = ((result.error_field(field) or b"").decode() for field in fields)
    return sqlstate, message


@pytest.mark.parametrize("sql", [*NEWER_GRAMMAR, *MORE_OF_IT])
def test_stops_where_postgresql_16_stops(postgresql: psycopg.Connection, sql: str) -> None:
    finding = parse(sql, CLUSTER).findings[0]
    said = answer(postgresql, sql) or _refusal(postgresql.pgconn.exec_(sql.encode()))
    assert (finding.sqlstate, finding.message) == said


def test_what_passes_is_postgresql_16(postgresql: psycopg.Connection) -> None:
    statements = [each for sql in PASSING for each in parse(sql, CLUSTER).statements if each.iam is None]
    answers = {each.text: answer(postgresql, each.backend_sql) for each in statements}
    assert {text: said for text, said in answers.items() if said is not None and said[0] == "42601"} == {}
