"""The position of a finding is that of the token to blame."""

from __future__ import annotations

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.position import Position, Source

# The place is marked: » stands before the token to blame and is not part of the text.
MARKED = {
    "column-type": "CREATE TABLE a (\n  id uuid PRIMARY KEY,\n  v »money\n)",
    "array-column": "CREATE TABLE ä (é »text[])",
    "add-column-constraint": "ALTER TABLE a ADD COLUMN c int »NOT NULL",
    "alter-column-type": "ALTER TABLE a ALTER COLUMN v »TYPE text",
    "set-not-null": "ALTER TABLE a\nALTER COLUMN v SET »NOT NULL",
    "create-index-sync": "CREATE »INDEX i ON a (v)",
    "create-index-concurrently": "CREATE INDEX »CONCURRENTLY i ON a (v)",
    "index-sort-order": "CREATE INDEX ASYNC i ON a (v »DESC)",
    "index-using": "CREATE INDEX ASYNC i ON a »USING btree (v)",
    "partition-by": "CREATE TABLE a (id int) »PARTITION BY RANGE (id)",
    "inherits": "CREATE TABLE a (id int) »INHERITS (b)",
    "locking-clause": "SELECT 'SHARE' FROM a FOR »SHARE",
    "isolation-level": "BEGIN ISOLATION LEVEL »SERIALIZABLE",
    "function-language": "CREATE FUNCTION f() RETURNS int »LANGUAGE plpgsql AS $$ $$",
    "advisory-lock": "SELECT 1, »pg_advisory_lock(1)",
    "collation": 'SELECT * FROM a ORDER BY name »COLLATE "de"',
    "truncate": "/* é */ -- ü\n  »TRUNCATE a",
    "virtual-column": "CREATE TABLE a (v int, w int GENERATED ALWAYS AS ((v * 2)) »VIRTUAL)",
    "enforced": "CREATE TABLE a (v int CHECK (v > 0) NOT »enforced)",
    "json-table": "SELECT * FROM JSON_TABLE('[]', '$' »COLUMNS (id int))",
    "returning-options": "UPDATE a SET v = 1 RETURNING »WITH (OLD AS o) o.v",
    "at-local": "SELECT now() AT »LOCAL",
    "syntax-error": "SELECT 'é' FORM »a b",
}


@pytest.mark.parametrize(("rule", "marked"), MARKED.items())
def test_place(rule: str, marked: str) -> None:
    before, after = marked.split("»")
    finding = next(
        each for each in parse(before + after, profile("2026-09")).findings if each.rule.id == rule
    )
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    assert (finding.position.offset, finding.position.line, finding.position.column) == (
        len(before),
        line,
        column,
    )


NEAR = {
    "CREATE TABLE a (v int, w int GENERATED ALWAYS AS (v * 2) VIRTUAL)": 'at or near "VIRTUAL"',
    "CREATE TABLE a (v int, w int GENERATED ALWAYS AS (v * (2)))": 'at or near ")"',
    "ALTER TABLE a ADD COLUMN w int GENERATED ALWAYS AS (v)": "at end of input",
    "CREATE TABLE a (v int CHECK (v > 0) NOT enforced)": 'at or near "enforced"',
    "CREATE TABLE a (v int, NOT NULL v)": 'at or near "NOT"',
    "MERGE INTO a USING b ON true WHEN NOT MATCHED BY SOURCE THEN DELETE": 'at or near "BY"',
    "SELECT * FROM JSON_TABLE('[]', '$' PASSING 1 AS x COLUMNS (id int))": 'at or near "PASSING"',
}


@pytest.mark.parametrize(("sql", "near"), NEAR.items())
def test_newer_grammar_is_refused_where_postgresql_16_stops(sql: str, near: str) -> None:
    finding = parse(sql, profile("2026-09")).findings[0]
    assert (finding.sqlstate, finding.message) == ("42601", f"syntax error {near}")


def counted(text: str, offset: int) -> Position:
    before = text[:offset].split("\n")
    return Position(offset, len(before), len(before[-1]) + 1)


@pytest.mark.parametrize("text", ["", "-- é\nSELECT 1;\n\n  SELECT '🙂';\n\tSELECT 3 -- ß", "é🙂\n" * 3000])
def test_positions_are_counted_in_characters(text: str) -> None:
    source = Source(text)
    for offset in range(0, len(text) + 1, max(len(text) // 500, 1)):
        byte = len(text[:offset].encode())
        assert source.at(offset) == source.position(byte) == counted(text, offset)


def test_a_byte_within_a_character_counts_as_its_start() -> None:
    assert [Source("a🙂b").characters(byte) for byte in range(7)] == [0, 1, 1, 1, 1, 2, 3]
