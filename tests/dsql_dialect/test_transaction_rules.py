"""One DDL statement a transaction, and no rows changed beside it."""

from __future__ import annotations

import pytest

from dsql_dialect import TransactionRules, parse, profile

CLUSTER = profile("2026-09")
MULTIPLE = "multiple ddl statements not supported in a transaction"
MIXED = "ddl and dml are not supported in the same transaction"

CASES: dict[str, str | None] = {
    "CREATE TABLE a (id int)": None,
    "INSERT INTO a VALUES (1); UPDATE a SET id = 2; DELETE FROM a": None,
    "CREATE TABLE a (id int); SELECT 1": None,
    "CREATE TABLE a (id int); DROP TABLE a": MULTIPLE,
    "GRANT SELECT ON a TO app; CREATE TABLE b (id int)": MULTIPLE,
    "CREATE ROLE app; AWS IAM GRANT app TO 'arn'": MULTIPLE,
    "CREATE TABLE a (id int); INSERT INTO a VALUES (1)": MIXED,
    "INSERT INTO a VALUES (1); CREATE TABLE b (id int)": MIXED,
    "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x; DROP TABLE a": MIXED,
    "DROP TABLE b; EXPLAIN ANALYZE DELETE FROM a": MIXED,
    "DROP TABLE b; EXPLAIN DELETE FROM a": None,
    "BEGIN; DROP TABLE a; COMMIT; BEGIN; DROP TABLE b; ROLLBACK; INSERT INTO c VALUES (1)": None,
    "SELECT 1; INSERT INTO a VALUES (1); SELECT 2": None,
}


@pytest.mark.parametrize(("sql", "message"), CASES.items())
def test_strings(sql: str, message: str | None) -> None:
    refusal = TransactionRules().first_refusal(parse(sql, CLUSTER).statements)
    assert (refusal.message if refusal else None) == message
    assert refusal is None or refusal.sqlstate == "0A000"


def test_statement_by_statement() -> None:
    create, insert, begin = parse(
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1); BEGIN", CLUSTER
    ).statements
    fresh = TransactionRules()
    after_ddl = fresh.after(create)
    assert fresh.refusal(create) is None
    assert after_ddl == TransactionRules(ddl=True)
    refusal = after_ddl.refusal(insert)
    assert refusal is not None
    assert (refusal.rule.id, refusal.position) == ("ddl-with-dml", insert.position)
    assert after_ddl.after(begin) == fresh
