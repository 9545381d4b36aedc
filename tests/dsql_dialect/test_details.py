"""Names and details that a statement offers, read from its text."""

from __future__ import annotations

from typing import Any

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.statement import OnConflict, Statement, ValidatedConstraint

CLUSTER = profile("2026-09")


def only(sql: str) -> Statement:
    (statement,) = parse(sql, CLUSTER).statements
    return statement


WRITTEN: list[tuple[str, set[str], set[str], bool]] = [
    ("SELECT * FROM t", set(), set(), False),
    ('INSERT INTO app."T" VALUES (1)', {"t"}, set(), True),
    (
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1, (c, d) = (2, 3)",
        {"t"},
        {"b", "c", "d"},
        True,
    ),
    ("UPDATE t SET a = 1, b.x = 2 FROM s", {"t"}, {"a", "b"}, True),
    ("DELETE FROM t USING s", {"t"}, set(), True),
    ("TRUNCATE t, s", {"t", "s"}, set(), False),
    ("WITH x AS (DELETE FROM t RETURNING a) INSERT INTO s SELECT a FROM x", {"t", "s"}, set(), False),
    ("WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT 1", {"t"}, {"a"}, False),
    ("COPY t FROM STDIN", {"t"}, set(), True),
    ("COPY t TO STDOUT", set(), set(), False),
    ("EXPLAIN DELETE FROM t", set(), set(), False),
    ("EXPLAIN ANALYZE DELETE FROM t", {"t"}, set(), False),
    ("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", {"t"}, set(), False),
    ("CREATE VIEW v AS SELECT 1 FROM t", set(), set(), False),
]


@pytest.mark.parametrize(("sql", "tables", "columns", "counts"), WRITTEN, ids=[case[0] for case in WRITTEN])
def test_tables_written(sql: str, tables: set[str], columns: set[str], counts: bool) -> None:
    statement = only(sql)
    assert statement.tables_written == tables
    assert statement.columns_assigned == columns
    assert statement.tag_counts_rows == counts


MENTIONED: list[tuple[str, set[str], set[str]]] = [
    ("SELECT f(a) FROM t JOIN LATERAL pg_catalog.G(1) ON true", {"t"}, {"f", "g"}),
    ('INSERT INTO app."T" SELECT a FROM s WHERE b IN (SELECT 1 FROM r)', {"t", "s", "r"}, set()),
    ("WITH x AS (SELECT 1) SELECT * FROM x", {"x"}, set()),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT g() FROM t; DELETE FROM s'", {"t", "s"}, {"g"}),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN (SELECT g() FROM t)", {"t"}, {"g"}),
    ("SELECT 'f() FROM t'", set(), set()),
]


@pytest.mark.parametrize(("sql", "relations", "functions"), MENTIONED, ids=[case[0] for case in MENTIONED])
def test_mentioned_names(sql: str, relations: set[str], functions: set[str]) -> None:
    statement = only(sql)
    assert statement.relations == relations
    assert statement.functions == functions


ROUTINES: list[tuple[str, set[str], dict[str, Any]]] = [
    ("CREATE VIEW app.V AS SELECT * FROM t", {"v"}, {}),
    ("CREATE VIEW v AS SELECT * FROM t FOR UPDATE", {"v"}, {"for_update": True}),
    ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT 1'", {"f"}, {}),
    (
        "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE t SET a = 1; SELECT 1 $$",
        {"f"},
        {"updates": True, "tables_written": {"t"}, "columns_assigned": {"a"}},
    ),
    (
        "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM t; END",
        {"f"},
        {"deletes": True, "tables_written": {"t"}},
    ),
    ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM'", {"f"}, {}),
    ("CREATE SCHEMA s CREATE VIEW v AS SELECT 1", {"v"}, {}),
    ("CREATE TABLE t (a int)", set(), {}),
]


@pytest.mark.parametrize(("sql", "names", "does"), ROUTINES, ids=[case[0] for case in ROUTINES])
def test_routines(sql: str, names: set[str], does: dict[str, Any]) -> None:
    statement = only(sql)
    assert statement.routines == names
    assert not statement.writes
    traits = statement.routine_traits
    for field in ("inserts", "updates", "deletes", "for_update", "tables_written", "columns_assigned"):
        assert getattr(traits, field) == does.get(field, type(getattr(traits, field))())


def test_a_body_within_a_body_is_not_read() -> None:
    sql = "SELECT 1"
    for depth in range(2_000):
        sql = f"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $q{depth}$ {sql} $q{depth}$"
    assert {each.rule.id for each in only(sql).findings} == {"function-body"}


ALTERED: list[tuple[str, set[str] | None]] = [
    ("CREATE TABLE T1 (id int PRIMARY KEY, v text DEFAULT 'references')", {"t1"}),
    ("CREATE TABLE IF NOT EXISTS app.t (id int, CHECK (id > 0))", {"t"}),
    ("CREATE TABLE t (LIKE u)", {"t"}),
    ("CREATE TABLE t (id int REFERENCES u)", None),
    ("CREATE TABLE t (id int, FOREIGN KEY (id) REFERENCES u)", None),
    ('ALTER TABLE "Orders" ADD COLUMN v int', {"orders"}),
    ("ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int", {"t"}),
    ("ALTER TABLE t ADD COLUMN a int REFERENCES u", None),
    ("ALTER TABLE t ADD COLUMN a int, DROP COLUMN b", None),
    ("ALTER TABLE t DROP COLUMN b", None),
    ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (v) REFERENCES u NOT VALID", None),
    ("ALTER TABLE t RENAME TO u", None),
    ("DROP TABLE t", None),
    ("CREATE INDEX ON t (v)", None),
    ("UPDATE t SET a = 1", set()),
]


@pytest.mark.parametrize(("sql", "tables"), ALTERED, ids=[case[0] for case in ALTERED])
def test_altered_tables(sql: str, tables: set[str] | None) -> None:
    assert only(sql).altered_tables == tables


@pytest.mark.parametrize(
    ("sql", "sets", "for_transaction"),
    [
        ("SET search_path = app", True, False),
        ("SET LOCAL search_path = app", True, True),
        ("SET /* so */ LOCAL search_path = app", True, True),
        ("RESET ALL", True, False),
        ("SELECT set_config('search_path', 'app', false)", True, False),
        ("SELECT set_config('search_path', 'app', true)", True, True),
        ("SELECT pg_catalog.set_config('a', 'b', $1)", True, False),
        ("SELECT set_config('a', 'b', true), set_config('c', 'd', false)", True, False),
        ("SELECT 'set_config', f('a', true)", False, False),
        ("SET CONSTRAINTS ALL DEFERRED", False, False),
    ],
)
def test_parameters(sql: str, sets: bool, for_transaction: bool) -> None:
    statement = only(sql)
    assert (statement.sets_parameters, statement.sets_for_transaction) == (sets, for_transaction)


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SHOW server_version", "server_version"),
        ("SHOW Server_Version_Num -- exactly", "server_version_num"),
        ("SHOW TIME ZONE", "timezone"),
        ("SELECT 1", None),
    ],
)
def test_shown_parameter(sql: str, shown: str | None) -> None:
    assert only(sql).shown_parameter == shown


@pytest.mark.parametrize(
    ("sql", "read_only"),
    [
        ("BEGIN", False),
        ("BEGIN READ ONLY", True),
        ("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ /* */ ONLY", True),
        ("BEGIN READ ONLY, READ WRITE", False),
        ("BEGIN /* READ ONLY */", False),
        ("COMMIT", False),
    ],
)
def test_read_only(sql: str, read_only: bool) -> None:
    assert only(sql).read_only == read_only


@pytest.mark.parametrize(
    ("sql", "flags"),
    [
        ("SELECT 1 FROM t FOR UPDATE", {"for_update"}),
        ("SELECT 1 FROM t FOR UPDATE SKIP LOCKED", {"for_update", "skip_locked"}),
        ("SELECT 1 FROM t FOR KEY SHARE NOWAIT", {"for_key_share", "nowait"}),
        (
            "SELECT 1 FROM (SELECT 1 FROM t FOR UPDATE NOWAIT) s FOR KEY SHARE",
            {"for_update", "for_key_share", "nowait"},
        ),
        ("SELECT 'FOR UPDATE SKIP LOCKED'", set()),
    ],
)
def test_row_locks(sql: str, flags: set[str]) -> None:
    traits = only(sql).traits
    assert {
        name for name in ("for_update", "for_key_share", "skip_locked", "nowait") if getattr(traits, name)
    } == flags
    assert only(sql).locks == bool(flags)


def test_joined_traits_are_those_of_both() -> None:
    read, write = only("SELECT f()").traits, only("UPDATE t SET a = 1").traits
    both = read.joined(write)
    assert (
        both.updates and both.returns_rows and both.tables_written == {"t"} and both.columns_assigned == {"a"}
    )
    assert (both.write_nodes, read.joined()) == (0, read)


@pytest.mark.parametrize(
    ("sql", "without"),
    [
        ("CREATE UNIQUE INDEX ASYNC i ON t (a)", "CREATE        INDEX       i ON t (a)"),
        ("CREATE /* é */ unique INDEX i ON t (a)", "CREATE /* é */        INDEX i ON t (a)"),
        ('CREATE INDEX i ON t ("unique")', 'CREATE INDEX i ON t ("unique")'),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_without_unique(sql: str, without: str) -> None:
    assert only(sql).without_unique() == without


@pytest.mark.parametrize(
    ("sql", "without"),
    [
        ("SELECT 'é' FROM t FOR UPDATE SKIP LOCKED", "SELECT 'é' FROM t FOR UPDATE            "),
        ("SELECT 1 FROM t, s FOR UPDATE OF t, a.s nowait", "SELECT 1 FROM t, s FOR UPDATE OF t, a.s       "),
        (
            "SELECT nowait FROM skip locked FOR UPDATE OF locked /* a */ NOWAIT LIMIT 1",
            "SELECT nowait FROM skip locked FOR UPDATE OF locked /* a */        LIMIT 1",
        ),
        (
            "UPDATE t SET v = 1 WHERE id IN (SELECT id FROM t FOR KEY SHARE SKIP LOCKED)",
            "UPDATE t SET v = 1 WHERE id IN (SELECT id FROM t FOR KEY SHARE            )",
        ),
        (
            "SELECT substring(v FOR update) nowait FROM t FOR UPDATE NOWAIT",
            "SELECT substring(v FOR update) nowait FROM t FOR UPDATE       ",
        ),
        (
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'é' FROM t FOR UPDATE NOWAIT $$",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'é' FROM t FOR UPDATE        $$",
        ),
        (
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''é'' FROM t FOR UPDATE NOWAIT'",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''é'' FROM t FOR UPDATE       '",
        ),
        (
            "CREATE VIEW w AS SELECT 1 FROM t FOR UPDATE SKIP LOCKED",
            "CREATE VIEW w AS SELECT 1 FROM t FOR UPDATE            ",
        ),
        ("SELECT 'FOR UPDATE NOWAIT' FROM t FOR UPDATE", "SELECT 'FOR UPDATE NOWAIT' FROM t FOR UPDATE"),
    ],
)
def test_without_lock_waits(sql: str, without: str) -> None:
    """As long as before, so that the positions of errors stay true."""
    assert only(sql).backend_sql == without


@pytest.mark.parametrize(
    "body",
    [
        r"E'SELECT \'\'\nFROM t FOR UPDATE SKIP\nLOCKED'",
        r"E'SELECT \'\'\nFROM t FOR UPDATE SKIP LO\x43KED'",
        r"U&'SELECT \0027''\000AFROM t FOR UPDATE SKIP LOCKED'",
    ],
)
def test_without_lock_waits_in_a_body_with_escapes(body: str) -> None:
    sql = only(f"CREATE FUNCTION f() RETURNS text AS {body} LANGUAGE sql").backend_sql
    without = "'SELECT ''''\nFROM t FOR UPDATE            '"
    assert sql == f"CREATE FUNCTION f() RETURNS text AS {without} LANGUAGE sql"


CLAUSES: list[tuple[str, OnConflict | None]] = [
    ("INSERT INTO t VALUES (1)", None),
    ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", OnConflict(False, (), None, 25)),
    (
        "INSERT INTO é (a) VALUES ('ON CONFLICT') ON CONFLICT (a, b) WHERE c DO UPDATE SET c = excluded.returning"
        " WHERE é.a[1] = 2 RETURNING a, 'ß'",
        OnConflict(True, ("a", "b"), None, 42),
    ),
    ("INSERT INTO t VALUES (1) ON CONFLICT (lower(a)) DO NOTHING", OnConflict(False, None, None, 25)),
    ("INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING -- so", OnConflict(False, (), "k", 25)),
    (
        "WITH x AS (INSERT INTO s VALUES (1) ON CONFLICT DO NOTHING RETURNING a) INSERT INTO t SELECT a FROM x"
        " ON CONFLICT (a) DO NOTHING RETURNING *",
        OnConflict(False, ("a",), None, 102),
    ),
]


@pytest.mark.parametrize(("sql", "clause"), CLAUSES)
def test_on_conflict(sql: str, clause: OnConflict | None) -> None:
    for before in ("", "SELECT 'é'; ", "CREATE INDEX ASYNC ON t (a); "):
        assert parse(before + sql, CLUSTER).statements[-1].on_conflict == clause


@pytest.mark.parametrize(
    ("sql", "validated"),
    [
        ('ALTER TABLE ASYNC app."T" VALIDATE CONSTRAINT C', ValidatedConstraint("app", "T", "c")),
        ("ALTER TABLE ASYNC t VALIDATE CONSTRAINT c", ValidatedConstraint(None, "t", "c")),
        ("ALTER TABLE t ADD COLUMN c int", None),
    ],
)
def test_validated_constraint(sql: str, validated: ValidatedConstraint | None) -> None:
    assert only(sql).validates == validated
