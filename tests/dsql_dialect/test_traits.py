"""Kind and traits of a statement, read from its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsql_dialect import Kind, parse, profile

if TYPE_CHECKING:
    from dsql_dialect.statement import Statement

CLUSTER = profile("2026-09")
FLAGS = (
    "inserts",
    "updates",
    "deletes",
    "for_update",
    "for_key_share",
    "returns_rows",
    "outside_transaction",
)


def only(sql: str) -> Statement:
    (statement,) = parse(sql, CLUSTER).statements
    return statement


CASES: dict[str, tuple[Kind, set[str]]] = {
    "SELECT 1": (Kind.QUERY, {"returns_rows"}),
    "VALUES (1)": (Kind.QUERY, {"returns_rows"}),
    "TABLE t": (Kind.QUERY, {"returns_rows"}),
    "SELECT 'INSERT INTO t'": (Kind.QUERY, {"returns_rows"}),
    "SELECT * FROM t FOR UPDATE": (Kind.QUERY, {"returns_rows", "for_update"}),
    "SELECT * FROM (SELECT * FROM t FOR UPDATE) s": (Kind.QUERY, {"returns_rows", "for_update"}),
    "SELECT * FROM t FOR KEY SHARE OF t": (Kind.QUERY, {"returns_rows", "for_key_share"}),
    "INSERT INTO t VALUES (1)": (Kind.DML, {"inserts"}),
    "INSERT INTO t VALUES (1) RETURNING a": (Kind.DML, {"inserts", "returns_rows"}),
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": (Kind.DML, {"inserts"}),
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2": (Kind.DML, {"inserts", "updates"}),
    "INSERT INTO t SELECT * FROM s FOR UPDATE": (Kind.DML, {"inserts", "for_update"}),
    "UPDATE t SET a = 1": (Kind.DML, {"updates"}),
    "UPDATE t SET a = 1 RETURNING a": (Kind.DML, {"updates", "returns_rows"}),
    "DELETE FROM t": (Kind.DML, {"deletes"}),
    "TRUNCATE t": (Kind.DML, {"deletes"}),
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x": (
        Kind.DML,
        {"inserts", "returns_rows"},
    ),
    "WITH x AS (DELETE FROM t RETURNING a) INSERT INTO s SELECT a FROM x": (Kind.DML, {"deletes", "inserts"}),
    "WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT 1": (Kind.DML, {"updates", "returns_rows"}),
    "EXPLAIN DELETE FROM t": (Kind.QUERY, {"returns_rows"}),
    "EXPLAIN ANALYZE SELECT 1": (Kind.QUERY, {"returns_rows"}),
    "EXPLAIN ANALYZE DELETE FROM t": (Kind.DML, {"deletes", "returns_rows"}),
    "EXPLAIN (VERBOSE, ANALYZE true) UPDATE t SET a = 1": (Kind.DML, {"updates", "returns_rows"}),
    "EXPLAIN (ANALYZE off) DELETE FROM t": (Kind.QUERY, {"returns_rows"}),
    "EXPLAIN (ANALYZE 0) DELETE FROM t": (Kind.QUERY, {"returns_rows"}),
    "EXPLAIN (ANALYZE 1) DELETE FROM t": (Kind.DML, {"deletes", "returns_rows"}),
    "COPY t FROM STDIN": (Kind.DML, {"inserts"}),
    "COPY t TO STDOUT": (Kind.QUERY, set()),
    "COPY (DELETE FROM t RETURNING a) TO STDOUT": (Kind.DML, {"deletes"}),
    "CREATE TABLE t (a int)": (Kind.DDL, set()),
    "CREATE VIEW v AS SELECT * FROM t": (Kind.DDL, set()),
    "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC INSERT INTO t VALUES (1); END": (Kind.DDL, set()),
    "CREATE INDEX ASYNC ON t (a)": (Kind.DDL, {"returns_rows"}),
    "ALTER TABLE ASYNC t VALIDATE CONSTRAINT c": (Kind.DDL, {"returns_rows"}),
    "SELECT 1 AS a INTO t": (Kind.DDL, set()),
    "DROP TABLE t": (Kind.DDL, set()),
    "GRANT SELECT ON t TO app": (Kind.DDL, set()),
    "GRANT app TO joe": (Kind.DDL, set()),
    "REVOKE SELECT ON t FROM app": (Kind.DDL, set()),
    "COMMENT ON TABLE t IS 'x'": (Kind.DDL, set()),
    "AWS IAM GRANT app TO 'arn'": (Kind.DDL, set()),
    "CREATE ROLE app WITH LOGIN": (Kind.DDL, set()),
    "SET search_path = app": (Kind.SESSION, set()),
    "SHOW search_path": (Kind.SESSION, {"returns_rows"}),
    "RESET ALL": (Kind.SESSION, set()),
    "SET CONSTRAINTS ALL DEFERRED": (Kind.SESSION, set()),
    "DEALLOCATE ALL": (Kind.SESSION, set()),
    "CALL sys.wait_for_job('x')": (Kind.CALL, {"returns_rows", "outside_transaction"}),
    "ANALYZE t": (Kind.UTILITY, {"outside_transaction"}),
}


@pytest.mark.parametrize(("sql", "kind", "flags"), [(sql, *expected) for sql, expected in CASES.items()])
def test_kind_and_traits(sql: str, kind: Kind, flags: set[str]) -> None:
    statement = only(sql)
    assert statement.kind is kind
    assert {flag for flag in FLAGS if getattr(statement, flag)} == flags
    assert statement.writes == bool(flags & {"inserts", "updates", "deletes"})
    assert (statement.is_ddl, statement.is_dml) == (kind is Kind.DDL, kind is Kind.DML)
    assert statement.transaction is None


@pytest.mark.parametrize(
    ("sql", "verb"),
    [
        ("BEGIN", "BEGIN"),
        ("START TRANSACTION READ ONLY", "BEGIN"),
        ("COMMIT", "COMMIT"),
        ("END", "COMMIT"),
        ("ROLLBACK", "ROLLBACK"),
        ("ABORT", "ROLLBACK"),
        ("SAVEPOINT a", "SAVEPOINT"),
        ("RELEASE a", "RELEASE"),
        ("ROLLBACK TO a", "ROLLBACK TO"),
        ("PREPARE TRANSACTION 'a'", "PREPARE TRANSACTION"),
        ("COMMIT PREPARED 'a'", "COMMIT PREPARED"),
        ("ROLLBACK PREPARED 'a'", "ROLLBACK PREPARED"),
    ],
)
def test_transaction_control(sql: str, verb: str) -> None:
    statement = only(sql)
    assert (statement.kind, statement.transaction) == (Kind.TRANSACTION, verb)
    assert bool(statement.findings) == (verb not in ("BEGIN", "COMMIT", "ROLLBACK"))


def test_merge_may_do_anything() -> None:
    statement = only("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE")
    assert statement.inserts and statement.updates and statement.deletes


@pytest.mark.parametrize(("text", "shown"), [("a\0b", "0x00"), ("a\ud800", "an unpaired surrogate")])
def test_text_that_cannot_be_sent(text: str, shown: str) -> None:
    script = parse(text, CLUSTER)
    assert script.syntax_error is not None
    assert (script.syntax_error.sqlstate, script.syntax_error.position.offset) == ("22021", 1)
    assert shown in script.syntax_error.message
