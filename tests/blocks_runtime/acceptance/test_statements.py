"""The dialect accepts and refuses what is expected, DSQL's own contradictions aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_runtime import errors, sql
from blocks_runtime.database.classification import classify
from dsql_dialect import Kind, TransactionRules, parse, profile
from dsql_dialect.migrations import MigrationErrors, compile_folder
from dsql_dialect.profiles import NAMES
from tests.blocks_runtime.acceptance.statements import CASES, Case

if TYPE_CHECKING:
    from pathlib import Path

PORTABLE = profile("portable")
DIALECTS = NAMES


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_v_statements(case: Case, dialect: str) -> None:
    accepted = not parse(case.text, profile(dialect)).findings
    assert accepted is (case.listed ^ (dialect in case.differs)), case.differs.get(dialect, "")


KINDS = {
    "CREATE TABLE t (id int)": Kind.DDL,
    "ALTER TABLE t ADD COLUMN n int": Kind.DDL,
    "DROP TABLE t": Kind.DDL,
    "INSERT INTO t VALUES (1)": Kind.DML,
    "UPDATE t SET n = 1": Kind.DML,
    "DELETE FROM t": Kind.DML,
    "SELECT 1": Kind.QUERY,
}


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_c01_kinds(text: str, kind: Kind) -> None:
    assert [statement.kind for statement in parse(text, PORTABLE).statements] == [kind]


# The rules of one transaction; those on rows are in test_database, where rows are counted.
TRANSACTIONS = {
    "K01": ("CREATE TABLE a (id int)", None),
    "K02": ("INSERT INTO a VALUES (1); UPDATE a SET id = 2", None),
    "K03": ("CREATE TABLE a (id int); CREATE TABLE b (id int)", "multiple-ddl"),
    "K04": ("INSERT INTO a VALUES (1); CREATE TABLE b (id int)", "ddl-with-dml"),
    "K06": ("CREATE TABLE a (id int); COMMIT; CREATE TABLE b (id int)", None),
    "K07": ("INSERT INTO a VALUES (1); ALTER TABLE a ADD COLUMN n int", "ddl-with-dml"),
    "K08": ("CREATE TABLE a (id int); INSERT INTO a VALUES (1)", "ddl-with-dml"),
    "K10": ("SELECT 1; INSERT INTO a VALUES (1); SELECT 2", None),
    "K11": ("INSERT INTO a VALUES (1); COMMIT; CREATE TABLE b (id int)", None),
}


@pytest.mark.parametrize(("text", "rule"), TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_k_transactions(text: str, rule: str | None) -> None:
    refusal = TransactionRules().first_refusal(parse(text, PORTABLE).statements)
    assert (refusal.rule.id if refusal else None) == rule


FOLDERS: dict[str, tuple[dict[str, str], str | None]] = {
    "M01": ({"001_a.sql": "CREATE TABLE a (id int)", "002_b.sql": "INSERT INTO a VALUES (1)"}, None),
    "M02": ({"001_a.sql": "CREATE TABLE a (id int); CREATE TABLE b (id int)"}, "one-ddl-per-file"),
    "M03": ({"001_a.sql": "CREATE TABLE a (id int); INSERT INTO a VALUES (1)"}, "ddl-beside-dml"),
    "M04": ({"001_a.sql": "CREATE TABLE a (b int REFERENCES b(id))"}, "foreign-key"),
}


@pytest.mark.parametrize(("files", "rule"), FOLDERS.values(), ids=FOLDERS)
def test_m_migrations(tmp_path: Path, files: dict[str, str], rule: str | None) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if rule is None:
        assert len(compile_folder(tmp_path).migrations) == len(files)
        return
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(tmp_path)
    assert rule in [finding.rule.id for finding in caught.value.findings]


# Text, and the statements it holds. S: what is quoted or commented out is no keyword; parameters stay.
PIECES: dict[str, tuple[str, list[str]]] = {
    "S01": ("SELECT 'TRUNCATE' -- TRUNCATE; x\n/* TRUNCATE; */; SELECT 2", ["SELECT 'TRUNCATE'", "SELECT 2"]),
    "S02": ("SELECT 1 WHERE 1 = $1", ["SELECT 1 WHERE 1 = $1"]),
    "S03": ("SELECT $1, $2, $3", ["SELECT $1, $2, $3"]),
    "S04": ("INSERT INTO t VALUES ($1, $2)", ["INSERT INTO t VALUES ($1, $2)"]),
    "S06": ("SELECT $$TRUNCATE; x$$", ["SELECT $$TRUNCATE; x$$"]),
    "S07": ("SELECT $body$TRUNCATE; x$body$", ["SELECT $body$TRUNCATE; x$body$"]),
    "S08": ("SELECT $1, $$a; b$$", ["SELECT $1, $$a; b$$"]),
    "S09": ("SELECT $10, $11", ["SELECT $10, $11"]),
    "P01": (" SELECT 1 ;  SELECT 2 ", ["SELECT 1", "SELECT 2"]),
    "P02": ("SELECT 1;;; ;", ["SELECT 1"]),
    "P03": ("DO $$ BEGIN; END $$", ["DO $$ BEGIN; END $$"]),
    "P04": ("SELECT $f$ a; b $f$; SELECT 2", ["SELECT $f$ a; b $f$", "SELECT 2"]),
    "P05": ("SELECT 'a;b'; SELECT 2", ["SELECT 'a;b'", "SELECT 2"]),
    "P06": ("SELECT 'it''s; x'; SELECT 2", ["SELECT 'it''s; x'", "SELECT 2"]),
    "P07": ("SELECT $1; SELECT $2", ["SELECT $1", "SELECT $2"]),
    "P08": ("SELECT 1; SELECT 2; SELECT 3", ["SELECT 1", "SELECT 2", "SELECT 3"]),
    "P10": ("SELECT 1", ["SELECT 1"]),
    "P11": ("SELECT $$ $1; $$", ["SELECT $$ $1; $$"]),
    "P15": ("SELECT '-- x; y'", ["SELECT '-- x; y'"]),
    "P18": (r"SELECT 'a\'; SELECT 2", [r"SELECT 'a\'", "SELECT 2"]),
}


@pytest.mark.parametrize(("text", "statements"), PIECES.values(), ids=PIECES)
def test_sp_splitting(text: str, statements: list[str]) -> None:
    found = [statement.text.strip() for statement in parse(text, PORTABLE).statements]
    assert found == statements


COMMENTED = {
    "P12": "-- a; b\nCREATE TABLE t (id int)",
    "P13": "CREATE TABLE t (id int) -- a; b",
    "P14": "CREATE TABLE /* a; b */ t (id int)",
    "P16": "-- first\n-- DROP TABLE t;\nCREATE TABLE t (\n id int -- the key; of course\n);\n-- done;",
}


@pytest.mark.parametrize("text", COMMENTED.values(), ids=COMMENTED)
def test_p_comments(text: str) -> None:
    (statement,) = parse(text, PORTABLE).statements
    assert statement.node == "Create"


STATES: dict[str, tuple[str | None, type[errors.DatabaseError]]] = {
    "X01": ("40001", errors.SerializationFailure),
    "X02": ("23505", errors.UniqueConstraintViolation),
    "X03": ("08006", errors.ConnectionFailed),
    "X04": ("08001", errors.ConnectionFailed),
    "X05": ("42601", errors.QueryFailed),
    "X06": (None, errors.QueryFailed),
}


@pytest.mark.parametrize(("sqlstate", "kind"), STATES.values(), ids=STATES)
def test_x_errors(sqlstate: str | None, kind: type[errors.DatabaseError]) -> None:
    assert issubclass(classify(sqlstate, "said so"), kind)


def test_q01_to_q04_values_are_bound_in_order_and_kept() -> None:
    statement = sql("SELECT {a}, {b}, {c}", a=1, b=None, c="x")
    assert (statement.text, statement.values) == ("SELECT $1, $2, $3", (1, None, "x"))
    assert sql("SELECT 1").values == ()
    with pytest.raises(TypeError):
        statement.values[0] = 2  # type: ignore[index]
