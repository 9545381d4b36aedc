"""Bodies are held to the rules statement by statement, and findings are in the file where the fault is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsql_dialect import Kind, parse, profile
from dsql_dialect.migrations.extensions import missing
from dsql_dialect.statement import UNKNOWN_WRITES

if TYPE_CHECKING:
    from typing import Any

    from dsql_dialect import Statement

NOVEMBER = profile("2026-11")
FINDINGS = tomllib.loads((Path(__file__).parent / "findings.toml").read_text(encoding="utf-8"))["case"]


def only(sql: str) -> Statement:
    (statement,) = parse(sql, NOVEMBER).statements
    return statement


@pytest.mark.parametrize("case", FINDINGS, ids=lambda case: case["name"])
def test_findings(case: dict[str, Any]) -> None:
    found = parse(case["sql"], NOVEMBER).findings
    assert [
        f"{each.position.line}:{each.position.column} {each.sqlstate} [{each.rule.id}] {each.message}"
        for each in found
    ] == case["findings"]


TRAITS = {
    "DO $$ BEGIN PERFORM 1; END $$": set(),
    "DO $$ BEGIN UPDATE t SET a = 1; END $$": {"updates"},
    "DO $$ DECLARE n int := (SELECT 1); BEGIN IF n IN (SELECT id FROM t FOR UPDATE) THEN NULL; END IF; END $$": {
        "for_update"
    },
    "DO $$ BEGIN PERFORM set_config('search_path', 'a', true); END $$": {"calls_set_config"},
    "DO $$ BEGIN EXECUTE 'SELECT 1'; END $$": {
        "inserts",
        "updates",
        "deletes",
        "for_update",
        "for_key_share",
    },
    "DO $$ BEGIN CALL p(); END $$": {"inserts", "updates", "deletes", "for_update", "for_key_share"},
    "CALL p()": {"inserts", "updates", "deletes", "for_update", "for_key_share"},
}


@pytest.mark.parametrize(("sql", "flags"), TRAITS.items())
def test_traits_of_blocks_and_calls(sql: str, flags: set[str]) -> None:
    statement = only(sql)
    assert statement.kind is Kind.DML
    assert statement.returns_rows == (statement.node == "Call")
    names = ("inserts", "updates", "deletes", "for_update", "for_key_share", "calls_set_config")
    assert {name for name in names if getattr(statement.traits, name)} == flags
    assert not statement.tag_counts_rows
    assert not statement.outside_transaction


def test_traits_and_names_of_a_function() -> None:
    statement = only(
        'CREATE FUNCTION F() RETURNS int LANGUAGE plpgsql AS $$ DECLARE a Orders.id%TYPE; b app."Lines"%ROWTYPE;'
        " BEGIN UPDATE stock SET n = g(1); RETURN (SELECT 1 FROM totals); END $$"
    )
    assert statement.kind is Kind.DDL
    assert not statement.writes
    assert statement.routines == {"f"}
    assert statement.routine_traits.updates
    assert statement.routine_traits.tables_written == {"stock"}
    assert statement.relations == {"orders", "lines", "stock", "totals"}
    assert statement.functions == {"g"}
    assert statement.has_plpgsql


def test_traits_of_a_function_with_execute_are_unknown() -> None:
    sql = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE a; END'"
    assert only(sql).routine_traits == UNKNOWN_WRITES


def test_guards_are_in_the_sql_for_postgresql_alone() -> None:
    sql = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS E'BEGIN\\n  EXECUTE a; END'"
    statement = only(sql)
    assert "checked((" in statement.backend_sql
    assert statement.text == statement.parsed_sql == sql
    plain = only("DO $$ BEGIN PERFORM 1; END $$")
    assert plain.backend_sql == plain.text


def test_locks_in_bodies_do_not_wait() -> None:
    statement = only("DO 'BEGIN PERFORM 1 FROM t FOR UPDATE SKIP LOCKED; EXECUTE ''é''; END'")
    assert "SKIP" not in statement.backend_sql
    assert "checked((" in statement.backend_sql


@pytest.mark.parametrize("dialect", ["portable", "2026-09"])
def test_bodies_are_not_read_before_november(dialect: str) -> None:
    (statement,) = parse("DO $$ BEGIN TRUNCATE a; END $$", profile(dialect)).statements
    assert [each.rule.id for each in statement.findings] == ["do-block"]
    assert not statement.has_plpgsql


def test_a_body_that_is_no_single_string_is_left_to_postgresql() -> None:
    for sql in (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'a', 'b'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql RETURN 1",
        "DO LANGUAGE plpgsql",
    ):
        statement = only(sql)
        assert statement.findings == ()
        assert statement.backend_sql == sql
        assert not [*missing(statement, frozenset())]
