"""Probes of the effect of DDL statements, and statements that can safely be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.migrations.probe import probe, repeatable

if TYPE_CHECKING:
    from dsql_dialect.statement import Statement


def statement(sql: str) -> Statement:
    (only,) = parse(sql, profile("2026-11")).statements
    return only


def of(kind: str, name: str, schema: str = "public", *, present: bool = True, **more: Any) -> dict[str, Any]:
    return {"object": kind, "schema": schema, "name": name, "present": present, **more}


def part(kind: str, name: str, *, present: bool = True, **more: Any) -> dict[str, Any]:
    return of(kind, name, "s", present=present, table="t", **more)


PROBES: dict[str, dict[str, Any] | None] = {
    "CREATE TABLE t (a int)": of("table", "t"),
    'CREATE TABLE "S"."T" (a int)': of("table", "T", "S"),
    "DROP TABLE s.t": of("table", "t", "s", present=False),
    "DROP TABLE IF EXISTS t, u": of("table", "t", present=False),
    "ALTER TABLE s.t RENAME TO u": of("table", "u", "s"),
    "ALTER TABLE t SET SCHEMA app": of("table", "t", "app"),
    "CREATE INDEX ASYNC i ON s.t (a)": part("index", "i"),
    "CREATE INDEX ASYNC ON s.t (a)": None,
    "DROP INDEX s.i": of("index", "i", "s", present=False),
    "ALTER TABLE s.t ADD COLUMN c int": part("column", "c"),
    "ALTER TABLE s.t DROP COLUMN c": part("column", "c", present=False),
    "ALTER TABLE s.t RENAME COLUMN c TO d": part("column", "d"),
    "ALTER TABLE s.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID": part("constraint", "c"),
    "ALTER TABLE s.t ADD CHECK (a > 0) NOT VALID": None,
    "ALTER TABLE s.t ADD CONSTRAINT c UNIQUE USING INDEX i": part("constraint", "c"),
    "ALTER TABLE s.t ADD UNIQUE USING INDEX i": part("constraint", "i"),
    "ALTER TABLE s.t DROP CONSTRAINT c": part("constraint", "c", present=False),
    "ALTER TABLE s.t RENAME CONSTRAINT c TO d": part("constraint", "d"),
    "ALTER TABLE ASYNC s.t VALIDATE CONSTRAINT c": part("constraint", "c", validated=True),
    "ALTER TABLE s.t ALTER COLUMN c SET DEFAULT 3": None,
    "ALTER TABLE s.t ALTER COLUMN c DROP DEFAULT": part("default", "c", present=False),
    "ALTER TABLE s.t ALTER COLUMN c DROP NOT NULL": part("not_null", "c", present=False),
    "ALTER TABLE s.t ALTER COLUMN c DROP EXPRESSION": part("expression", "c", present=False),
    "ALTER TABLE s.t ALTER COLUMN c ADD GENERATED ALWAYS AS IDENTITY (CACHE 1)": part("identity", "c"),
    "ALTER TABLE s.t ALTER COLUMN c DROP IDENTITY": part("identity", "c", present=False),
    "ALTER TABLE s.t ALTER b SET DEFAULT 1, ADD c int": part("column", "c"),
    "ALTER TABLE s.t ALTER COLUMN c SET STORAGE PLAIN": None,
    "ALTER TABLE s.t OWNER TO joe": None,
    "CREATE VIEW s.v AS SELECT 1": of("view", "v", "s"),
    "CREATE OR REPLACE VIEW v AS SELECT 1": None,
    "DROP VIEW v": of("view", "v", present=False),
    "CREATE SCHEMA app": {"object": "schema", "name": "app", "present": True},
    "CREATE SCHEMA AUTHORIZATION joe": {"object": "schema", "name": "joe", "present": True},
    "DROP SCHEMA app": {"object": "schema", "name": "app", "present": False},
    "ALTER SCHEMA app RENAME TO shop": {"object": "schema", "name": "shop", "present": True},
    "CREATE SEQUENCE s.q CACHE 1": of("sequence", "q", "s"),
    "DROP SEQUENCE q": of("sequence", "q", present=False),
    "ALTER SEQUENCE s.q RENAME TO r": of("sequence", "r", "s"),
    "CREATE DOMAIN s.d AS text": of("domain", "d", "s"),
    "DROP DOMAIN s.d": of("domain", "d", "s", present=False),
    "CREATE FUNCTION s.f(a int, b text[], OUT c int) LANGUAGE sql AS $$ SELECT 1 $$": of(
        "function", "f", "s", arguments=["integer", "text[]"]
    ),
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$": None,
    "DROP FUNCTION s.f(int8)": of("function", "f", "s", present=False, arguments=["bigint"]),
    "CREATE PROCEDURE s.p(a int, OUT b int, INOUT c int) LANGUAGE plpgsql AS 'BEGIN PERFORM ''x''; END'": of(
        "function", "p", "s", arguments=["integer", "integer"], body="BEGIN PERFORM 'x'; END"
    ),
    "DROP PROCEDURE s.p(int)": of("function", "p", "s", present=False, arguments=["integer"]),
    "DROP FUNCTION f": of("function", "f", present=False, arguments=None),
    "ALTER FUNCTION s.f(int) RENAME TO g": of("function", "g", "s", arguments=["integer"]),
    "CREATE STATISTICS s.x ON a, b FROM t": of("statistics", "x", "s"),
    "CREATE ROLE app": {"object": "role", "name": "app", "present": True},
    "DROP ROLE app": {"object": "role", "name": "app", "present": False},
    "ALTER ROLE app RENAME TO shop": {"object": "role", "name": "shop", "present": True},
    "AWS IAM GRANT app TO 'arn'": {"object": "iam", "role": "app", "arn": "arn", "present": True},
    "AWS IAM REVOKE app FROM 'arn'": {"object": "iam", "role": "app", "arn": "arn", "present": False},
    "GRANT SELECT ON t TO app": None,
    "COMMENT ON TABLE t IS 'x'": None,
    "INSERT INTO t VALUES (1)": None,
}


@pytest.mark.parametrize(("sql", "expected"), PROBES.items())
def test_probe(sql: str, expected: dict[str, Any] | None) -> None:
    assert statement(sql).findings == ()
    assert probe(statement(sql)) == expected


REPEATABLE = (
    "CREATE TABLE IF NOT EXISTS t (a int)",
    "DROP TABLE IF EXISTS t",
    "DROP ROLE IF EXISTS app",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS c int",
    "ALTER TABLE t DROP CONSTRAINT IF EXISTS c",
    "ALTER TABLE t ALTER COLUMN c SET DEFAULT 3",
    "ALTER TABLE t ALTER COLUMN c DROP NOT NULL, OWNER TO joe",
    "ALTER TABLE ASYNC t VALIDATE CONSTRAINT c",
    "CREATE OR REPLACE VIEW v AS SELECT 1",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
    "ALTER SEQUENCE s CACHE 1",
    "ALTER DOMAIN d SET DEFAULT 1",
    "GRANT SELECT ON t TO app",
    "REVOKE SELECT ON t FROM app",
    "GRANT app TO joe",
    "COMMENT ON TABLE t IS 'x'",
    "ALTER SCHEMA s OWNER TO joe",
)
NOT_REPEATABLE = (
    "CREATE TABLE t (a int)",
    "DROP TABLE t",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t ADD COLUMN c int",
    "ALTER TABLE t ALTER COLUMN c SET DEFAULT 3, ADD d int",
    "ALTER TABLE t ALTER COLUMN c RESTART",
    "ALTER SEQUENCE s RESTART",
    "ALTER DOMAIN d DROP CONSTRAINT c",
    "CREATE INDEX ASYNC i ON t (a)",
    "CREATE ROLE app",
    "AWS IAM GRANT app TO 'arn'",
    "INSERT INTO t VALUES (1)",
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [*((sql, True) for sql in REPEATABLE), *((sql, False) for sql in NOT_REPEATABLE)],
)
def test_repeatable(sql: str, expected: bool) -> None:
    assert repeatable(statement(sql)) is expected
