"""Files as dumps and other migration tools write them: what is found, where, and what is advised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.migrations import MigrationErrors
from dsql_dialect.migrations.errors import MOST_ALIKE
from dsql_dialect.migrations.files import nested, undoes
from tests.dsql_dialect.migration_faults import faults, told

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "CREATE TABLE t (id uuid PRIMARY KEY, v text);"


@pytest.mark.parametrize("dialect", ["portable", "2026-09"])
@pytest.mark.parametrize(
    ("sql", "rule", "why"),
    [
        (
            "CREATE TABLE logs_2027 PARTITION OF logs (zone DEFAULT 'x') FOR VALUES FROM (1) TO (2)",
            "partition-of",
            "PARTITION OF clause not supported",
        ),
        ("CREATE TABLE e OF person (pay WITH OPTIONS DEFAULT 10)", "typed-table", "OF clause not supported"),
    ],
)
def test_a_column_without_a_type(tmp_path: Path, sql: str, rule: str, why: str, dialect: str) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": sql}, dialect)
    assert (fault.rule.id, fault.why, fault.rule.sqlstate) == (rule, why, "0A000")


DUMP = """\
\\restrict a1b2
SET statement_timeout = 0;
CREATE TABLE public.pets (id integer, name text);
COPY public.pets (id, name) FROM stdin;
1\tDog
2\tIt's; -- ä
3\t/* $$ "
\\.

CREATE INDEX pets_name ON public.pets USING btree (name);
TRUNCATE public.pets;
\\unrestrict a1b2
"""


def test_rows_of_a_dump_are_data(tmp_path: Path) -> None:
    assert told(faults(tmp_path, {"001_dump.sql": DUMP})) == [
        ("001_dump.sql", 1, 1, "psql-command"),
        ("001_dump.sql", 2, 1, "set-parameter"),
        ("001_dump.sql", 4, 1, "copy-in-migration"),
        ("001_dump.sql", 4, 1, "ddl-beside-dml"),
        ("001_dump.sql", 10, 39, "index-using"),
        ("001_dump.sql", 10, 1, "one-ddl-per-file"),
        ("001_dump.sql", 10, 8, "create-index-sync"),
        ("001_dump.sql", 11, 1, "truncate"),
        ("001_dump.sql", 11, 1, "ddl-beside-dml"),
        ("001_dump.sql", 12, 1, "psql-command"),
    ]


ROWS = {
    "no end": "COPY a FROM stdin;\n1\n'",
    "inside of a quote": "INSERT INTO a VALUES ('COPY a FROM stdin;\n\\.');",
    "inside of a comment": "/* COPY a FROM stdin; */ SELECT 1; -- \\x",
    "inside of a dollar quote": "INSERT INTO a VALUES ($x$ COPY a FROM stdin;\n\\d $x$);",
    "two tables": "copy a from STDIN;\n1\n\\.\nCOPY b (v) FROM stdin WITH (FORMAT csv);\n'\n\\.\n",
    "to a client": "COPY a TO stdout; SELECT 1;",
    "a query buffer": "SELECT 1 \\gexec\nSELECT 2;",
    "rows of psql's own copy": "\\copy a from stdin\n1\tO'Brien\n\\.\nSELECT 1;",
    "rows of psql's own copy in CSV": "\\COPY a (v) FROM PSTDIN with (format csv)\n'\n\\.\nSELECT 1;",
    "psql's own copy to a client": "\\copy a to stdout\nSELECT 1;",
    "psql's own copy of a file": "\\copy a from 'stdin'\nSELECT 1;",
    "statements in one message": "SELECT 1 \\; SELECT 2;",
    "SQL behind a command": "\\x \\\\ SELECT 1;\n\\echo 'a \\\\ b' \\\\SELECT 2;",
    "a name": "SELECT stdin FROM copy;",
}
STATEMENTS = {
    "no end": ["COPY a FROM stdin"],
    "inside of a comment": ["SELECT 1"],
    "two tables": ["copy a from STDIN", "COPY b (v) FROM stdin WITH (FORMAT csv)"],
    "to a client": ["COPY a TO stdout", "SELECT 1"],
    "a query buffer": ["SELECT 1", "SELECT 2"],
    "rows of psql's own copy": ["SELECT 1"],
    "rows of psql's own copy in CSV": ["SELECT 1"],
    "psql's own copy to a client": ["SELECT 1"],
    "psql's own copy of a file": ["SELECT 1"],
    "statements in one message": ["SELECT 1", "SELECT 2"],
    "SQL behind a command": ["SELECT 1", "SELECT 2"],
}


@pytest.mark.parametrize(("name", "text"), ROWS.items())
def test_lines_of_psql_are_told_from_sql(name: str, text: str) -> None:
    from dsql_dialect.migrations import psql

    read = psql.read(text)
    assert len(read.sql) == len(text)
    assert read.sql.count("\n") == text.count("\n")
    script = parse(read.sql, profile("2026-09"))
    assert script.syntax_error is None
    if name in STATEMENTS:
        assert [each.text.rstrip() for each in script.statements] == STATEMENTS[name]
    else:
        assert read.sql == text


def test_a_quote_without_end_is_quoted_in_one_line(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": "INSERT INTO a VALUES ('x" + " and so on\n" * 1000})
    assert fault.rule.id == "syntax-error"
    assert "\n" not in fault.why
    assert len(fault.why) < 250


def test_characters_that_a_terminal_does_not_show_are_escaped(tmp_path: Path) -> None:
    found = faults(tmp_path, {"1_a.sql": 'DROP TABLE a \u00a0;\nDROP "\x1b[2Ja" b;\nDROP TABLE c;\x1a'})
    assert [each.why for each in found if each.rule.id == "syntax-error"] == [
        'syntax error at or near "\\xa0"',
        'syntax error at or near ""\\x1b[2Ja""',
        'syntax error at or near "\\x1a"',
    ]


def test_statements_before_a_quote_without_end_are_read(tmp_path: Path) -> None:
    found = faults(tmp_path, {"1_a.sql": "TRUNCATE a;\nLISTEN b;\nSELECT 'x;\n"})
    assert told(found) == [
        ("1_a.sql", 1, 1, "truncate"),
        ("1_a.sql", 2, 1, "listen"),
        ("1_a.sql", 3, 8, "syntax-error"),
    ]


def test_findings_of_one_kind_are_folded(tmp_path: Path) -> None:
    rows = "".join(f"INSERT INTO t VALUES ({n});\n" for n in range(1000))
    found = faults(tmp_path, {"001_dump.sql": f"{TABLE}\n{rows}TRUNCATE t;\n"})
    assert len(found) == 1002
    lines = str(MigrationErrors(found)).splitlines()
    assert len(lines) == 3 * (MOST_ALIKE + 1) + 2
    assert lines[-2] == f"{tmp_path}/001_dump.sql: 991 more like this [ddl-beside-dml]"


DOWN_MARKS = {
    "node-pg-migrate": "-- Down Migration",
    "node-pg-migrate with a title": "-- Down Migration: remove the table t",
    "rambler": "-- rambler down",
    "goose": "-- +goose Down",
    "dbmate": "-- migrate:down transaction:false",
    "sql-migrate": "-- +migrate Down notransaction",
    "micrate": "-- +micrate Down",
    "MyBatis": "-- //@UNDO",
    "Play": "-- !Downs",
    "shmig": "-- ====  DOWN  ====",
    "tern": "---- create above / drop below ----",
    "by hand": "-- down",
}


@pytest.mark.parametrize("mark", DOWN_MARKS.values(), ids=DOWN_MARKS)
def test_a_part_that_undoes_a_migration_is_told_and_nothing_advises_to_run_it(
    tmp_path: Path, mark: str
) -> None:
    up = mark.lower().replace("down", "up") if "drop" not in mark and "UNDO" not in mark else "-- first"
    text = f"{up}\n{TABLE}\n{mark}\nDROP TABLE t;\nTRUNCATE u;\n"
    (fault,) = faults(tmp_path, {"1_a.sql": text})
    assert told([fault]) == [("1_a.sql", 3, 1, "down-section")]
    assert fault.why.startswith(f"`{mark}` begins")
    assert "do not move its statements" in fault.remedy


NO_DOWN_MARKS = [
    "-- down the road",
    "-- undo is not possible",
    "-- down migration is not possible",
    "--rollback DROP TABLE t;",
    "-- shutdown",
    "-- Up Migration",
]


@pytest.mark.parametrize("mark", NO_DOWN_MARKS)
def test_other_comments_begin_no_section(tmp_path: Path, mark: str) -> None:
    assert faults(tmp_path, {"1_a.sql": f"{mark}\n{TABLE}\n"}) == []


def test_what_follows_an_up_mark_runs_again(tmp_path: Path) -> None:
    text = "-- +goose Down\nDROP TABLE t;\n-- +goose Up\nTRUNCATE a;\n"
    assert [each.rule.id for each in faults(tmp_path, {"1_a.sql": text})] == ["down-section", "truncate"]


def test_files_that_undo_a_migration(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        {
            "000001_init.up.sql": TABLE,
            "000001_init.down.sql": "DROP TABLE t; TRUNCATE x",
            "2_x.rollback.sql": "DROP TABLE t",
            "U3__x.sql": "DROP TABLE t",
            "005.undo.b.sql": "DROP TABLE b",
            "6_c.revert.sql": "DROP TABLE c",
            "down.sql": "DROP TABLE d",
            "4_a_up.sql": "CREATE TABLE a (id int)",
            "4_a_down.sql": "DROP TABLE a",
        },
    )
    assert sorted((each.path.name, each.rule.id) for each in found) == [
        ("000001_init.down.sql", "down-file"),
        ("005.undo.b.sql", "down-file"),
        ("2_x.rollback.sql", "down-file"),
        ("4_a_down.sql", "down-file"),
        ("6_c.revert.sql", "down-file"),
        ("U3__x.sql", "down-file"),
        ("down.sql", "down-file"),
    ]
    assert all("do not run its statements under another name" in each.remedy for each in found)


def test_a_word_that_ends_with_down_undoes_nothing() -> None:
    assert not undoes("006_shutdown.sql")
    assert not undoes("007_a.undo.b.sql"), "a name of its own, behind the number"
    assert not undoes("005_scale_down.sql", {"005_scale_down.sql"})
    assert undoes("005_scale_down.sql", {"005_scale_up.sql"})


def test_a_folder_without_migrations_names_the_folders_below(tmp_path: Path) -> None:
    (fault,) = faults(
        tmp_path, {"0_init/migration.sql": "CREATE TABLE a (id serial)", "1_b/migration.sql": ""}
    )
    assert (fault.rule.id, fault.path) == ("migrations-in-subfolders", tmp_path)
    assert fault.why == "`0_init`, `1_b` below it: sub-folders are not read"
    assert [each.name for each in nested(tmp_path)] == ["0_init", "1_b"]


def test_a_wrong_name_hides_no_fault_of_the_sql(tmp_path: Path) -> None:
    found = faults(tmp_path, {"migration.sql": "CREATE TABLE a (id serial);"})
    assert told(found) == [("migration.sql", 1, 1, "migration-name"), ("migration.sql", 1, 20, "serial")]


def test_both_faults_of_an_index_as_pg_dump_writes_it(tmp_path: Path) -> None:
    using, sync = faults(
        tmp_path, {"1_a.sql": "CREATE INDEX members_idx ON members USING btree (family_id);"}
    )
    assert (using.rule.id, sync.rule.id) == ("index-using", "create-index-sync"), "as a cluster answers"
    assert sync.remedy == "Write CREATE INDEX ASYNC; the migrator waits for the build."


def test_what_a_cluster_answers_first_of_an_index() -> None:
    keys = ", ".join("abcdefghi")
    found = parse(f"CREATE INDEX i ON t USING gin ({keys})", profile("2026-09")).findings
    assert [each.rule.id for each in found] == ["index-using", "index-keys", "create-index-sync"]
    assert "sys.wait_for_job" in found[-1].remedy, "a client has no migrator"
