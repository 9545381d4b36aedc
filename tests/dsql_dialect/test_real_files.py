"""Files as dumps and other migration tools write them: what is found, where, and what is advised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.migrations import MigrationErrors, check_files, compile_folder
from dsql_dialect.migrations.errors import MOST_ALIKE
from dsql_dialect.migrations.files import SqlFile, nested, undoes

if TYPE_CHECKING:
    from pathlib import Path

    from dsql_dialect.migrations import MigrationFinding

TABLE = "CREATE TABLE t (id uuid PRIMARY KEY, v text);"


def faults(path: Path, files: dict[str, str], dialect: str = "2026-09") -> list[MigrationFinding]:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    try:
        compile_folder(path, profile(dialect))
    except MigrationErrors as errors:
        return list(errors.findings)
    return []


def told(found: list[MigrationFinding]) -> list[tuple[str, int, int, str]]:
    return [(each.path.name, each.line, each.column, each.rule.id) for each in found]


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
    "a name": "SELECT stdin FROM copy;",
}
STATEMENTS = {
    "no end": ["COPY a FROM stdin"],
    "inside of a comment": ["SELECT 1"],
    "two tables": ["copy a from STDIN", "COPY b (v) FROM stdin WITH (FORMAT csv)"],
    "to a client": ["COPY a TO stdout", "SELECT 1"],
    "a query buffer": ["SELECT 1", "SELECT 2"],
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
    assert len(lines) == 3 * (MOST_ALIKE + 1) + 1
    assert lines[-1] == f"{tmp_path}/001_dump.sql: 991 more like this [ddl-beside-dml]"


DOWN_MARKS = {
    "node-pg-migrate": "-- Down Migration",
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
            "4_a_up.sql": "CREATE TABLE a (id int)",
            "4_a_down.sql": "DROP TABLE a",
        },
    )
    assert sorted((each.path.name, each.rule.id) for each in found) == [
        ("000001_init.down.sql", "down-file"),
        ("2_x.rollback.sql", "down-file"),
        ("4_a_down.sql", "down-file"),
        ("U3__x.sql", "down-file"),
    ]
    assert all("do not run its statements under another name" in each.remedy for each in found)


def test_a_word_that_ends_with_down_undoes_nothing() -> None:
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


UNNAMED = {
    "CREATE INDEX ASYNC ON t (c)": "CREATE INDEX ASYNC t_c_idx ON t",
    "CREATE INDEX ASYNC ON app.t (a, lower(b), (c + 1))": "CREATE INDEX ASYNC t_a_lower_expr_idx ON app.t",
    'CREATE UNIQUE INDEX ASYNC ON "T" (c)': 'CREATE UNIQUE INDEX ASYNC "T_c_idx" ON "T"',
}


@pytest.mark.parametrize(("sql", "name"), UNNAMED.items())
def test_a_name_is_proposed_for_an_index(tmp_path: Path, sql: str, name: str) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": sql})
    assert (fault.rule.id, fault.remedy) == ("unnamed-index", f"Name it: {name} ….")


SETVAL = {
    "SELECT pg_catalog.setval('public.orders_id_seq', 42, true)": ("public.orders_id_seq", "43"),
    "SELECT setval('s'::regclass, 7, false)": ("s", "7"),
    "SELECT setval('s', 99999999999)": ("s", "100000000000"),
    "SELECT setval('s', (SELECT max(id) FROM t))": ("s", "the next value"),
}


@pytest.mark.parametrize(("sql", "expected"), SETVAL.items())
def test_setval_becomes_a_statement(tmp_path: Path, sql: str, expected: tuple[str, str]) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": sql})
    assert fault.rule.id == "setval-in-migration"
    assert fault.remedy.startswith(f"Write ALTER SEQUENCE {expected[0]} RESTART WITH {expected[1]};")


@pytest.mark.parametrize("dialect", ["portable", "2026-09"])
@pytest.mark.parametrize("function", ["uuidv7", "uuidv4", "pg_catalog.casefold", "array_sort", "to_bin"])
def test_functions_of_later_releases(tmp_path: Path, function: str, dialect: str) -> None:
    name = function.removeprefix("pg_catalog.")
    (fault,) = faults(
        tmp_path, {"1_a.sql": f"CREATE TABLE t (id uuid PRIMARY KEY DEFAULT {function}())"}, dialect
    )
    assert (fault.rule.id, fault.rule.sqlstate, fault.why) == (
        "later-function",
        "42883",
        f"function {name} does not exist",
    )


def test_a_function_of_a_later_release_that_a_migration_defines(tmp_path: Path) -> None:
    define = "CREATE FUNCTION uuidv7() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'"
    assert faults(tmp_path, {"1_a.sql": define, "2_b.sql": "CREATE TABLE t (id uuid DEFAULT uuidv7())"}) == []


ROLES = {
    "ALTER TABLE t OWNER TO postgres": ["postgres"],
    "ALTER SCHEMA s OWNER TO nowhere": ["nowhere"],
    "CREATE SCHEMA s AUTHORIZATION joe": ["joe"],
    "GRANT SELECT ON t TO postgres, shop": ["postgres"],
    "GRANT shop TO rdsadmin": ["rdsadmin"],
    "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO anon": ["anon"],
    "ALTER TABLE t OWNER TO admin": [],
    "ALTER TABLE t OWNER TO CURRENT_USER": [],
    "ALTER TABLE t OWNER TO app": [],
    "ALTER TABLE t OWNER TO shop": [],
    "GRANT SELECT ON t TO a_role_of_the_deploy": [],
}


@pytest.mark.parametrize(("sql", "names"), ROLES.items())
def test_roles_that_do_not_exist(tmp_path: Path, sql: str, names: list[str]) -> None:
    files = {
        "1_a.sql": "CREATE ROLE app WITH LOGIN",
        "2_b.sql": "ALTER ROLE app RENAME TO shop",
        "3_c.sql": sql,
    }
    found = faults(tmp_path, files)
    assert [(each.rule.id, each.why, each.rule.sqlstate) for each in found] == [
        ("unknown-role", f'role "{name}" does not exist', "42704") for name in names
    ]


KEYS = {
    "the default name": ["CREATE TABLE t (id int PRIMARY KEY)", "ALTER TABLE t DROP CONSTRAINT t_pkey"],
    "a name of its own": [
        "CREATE TABLE t (id int, CONSTRAINT k PRIMARY KEY (id))",
        "ALTER TABLE t DROP CONSTRAINT k",
    ],
    "a table of no file": ["ALTER TABLE t DROP CONSTRAINT IF EXISTS t_pkey CASCADE"],
    "a table renamed": [
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER TABLE t RENAME TO u",
        "ALTER TABLE u DROP CONSTRAINT t_pkey",
    ],
    "a constraint renamed": [
        "CREATE TABLE t (id int CONSTRAINT a PRIMARY KEY)",
        "ALTER TABLE t RENAME CONSTRAINT a TO b",
        "ALTER TABLE t DROP CONSTRAINT b",
    ],
}
NO_KEYS = {
    "another constraint": [
        "CREATE TABLE t (id int PRIMARY KEY, CHECK (id > 0))",
        "ALTER TABLE t DROP CONSTRAINT t_id_check",
    ],
    "a check of that name": [
        "CREATE TABLE t (id int, CONSTRAINT t_pkey CHECK (id > 0))",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
    ],
    "the old name": [
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER TABLE t RENAME CONSTRAINT t_pkey TO k",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
    ],
}


def numbered(statements: list[str]) -> dict[str, str]:
    return {f"{number}_x.sql": text for number, text in enumerate(statements, 1)}


@pytest.mark.parametrize("statements", KEYS.values(), ids=KEYS)
def test_dropping_a_primary_key(tmp_path: Path, statements: list[str]) -> None:
    (fault,) = faults(tmp_path, numbered(statements))
    assert (fault.rule.id, fault.why, fault.path.name) == (
        "drop-primary-key",
        "unsupported ALTER TABLE DROP CONSTRAINT statement",
        f"{len(statements)}_x.sql",
    )


@pytest.mark.parametrize("statements", NO_KEYS.values(), ids=NO_KEYS)
def test_dropping_what_is_no_primary_key(tmp_path: Path, statements: list[str]) -> None:
    assert faults(tmp_path, numbered(statements)) == []


def test_a_file_is_checked_without_the_rules_of_a_folder(tmp_path: Path) -> None:
    text = (
        "\\connect app\nSET search_path = app;\nCREATE TABLE a (id serial, e citext);\nCREATE TABLE b (id int);\n"
        "SELECT 1;\nBEGIN;\nCREATE TABLE c (id int);\nINSERT INTO c VALUES (1);\nCOMMIT;\nCREATE INDEX ON b (id);\n"
    )
    found = check_files([SqlFile(tmp_path / "schema.sql", text)], profile("2026-09"))
    assert [(each.line, each.rule.id) for each in found] == [
        (3, "serial"),
        (3, "extension-type"),
        (8, "ddl-with-dml"),
        (10, "create-index-sync"),
    ]


DELETED = {
    "SET statement_timeout = '5s'": "set-parameter",
    "SAVEPOINT a": "savepoint",
    "DEALLOCATE p": "deallocate",
    "DISCARD ALL": "discard",
    "SELECT * FROM a FOR SHARE": "locking-clause",
    "COMMIT AND CHAIN": "transaction-chain",
}


@pytest.mark.parametrize(("sql", "rule"), DELETED.items())
def test_a_statement_that_no_migration_has_is_to_be_deleted(tmp_path: Path, sql: str, rule: str) -> None:
    """The remedy of DSQL's own refusal would be refused in the next run."""
    (fault,) = faults(tmp_path, {"1_a.sql": f"{sql};"})
    assert fault.rule.id == rule
    assert fault.remedy.startswith("Delete ")


def test_copy_of_a_file_is_no_copy_of_stdin(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": "COPY a FROM '/tmp/a.csv'"})
    assert fault.rule.id == "copy-file"
    assert fault.remedy.startswith("Write an INSERT with the rows")


ERRORS = {
    "CREATE SEQUENCE s": ("0A000", "CREATE SEQUENCE is not supported without an explicit cache size."),
    "CREATE SEQUENCE s CACHE 2": ("22023", "CACHE (2) must be greater than or equal to 65536 or equal to 1"),
    "ALTER SEQUENCE s CACHE 1000": (
        "22023",
        "CACHE (1000) must be greater than or equal to 65536 or equal to 1",
    ),
    "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 65535))": (
        "22023",
        "CACHE (65535) must be",
    ),
    "ALTER TABLE t ALTER id SET CACHE 3": ("22023", "CACHE (3) must be"),
    "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY (CACHE 3)": ("22023", "CACHE (3) must be"),
    "CREATE SEQUENCE s AS numeric CACHE 1": ("22023", "sequence type must be bigint"),
    "CREATE SEQUENCE s AS int CACHE 1": ("22023", "sequence type must be bigint"),
}


@pytest.mark.parametrize(("sql", "answer"), ERRORS.items())
def test_errors_of_sequences(sql: str, answer: tuple[str, str]) -> None:
    (finding,) = parse(sql, profile("2026-09")).findings
    assert finding.sqlstate == answer[0]
    assert finding.message.startswith(answer[1])


DECIDED = {
    "CREATE ROLE r INHERIT": [],
    "CREATE ROLE r NOINHERIT": ["role-option"],
    "ALTER USER admin SET search_path = public": [],
    "ALTER ROLE admin RESET ALL": [],
    "ALTER ROLE admin SET work_mem = '1MB'": ["alter-role-set"],
    "ALTER ROLE admin IN DATABASE postgres SET search_path = a": ["alter-role-set"],
    "DROP EVENT TRIGGER IF EXISTS e": ["drop-object"],
    "DROP TRIGGER IF EXISTS t ON a": [],
    "ALTER INDEX i RENAME TO j": ["rename-object"],
    "CREATE SEQUENCE s CACHE 99999999999": [],
}


@pytest.mark.parametrize(("sql", "rules"), DECIDED.items())
def test_statements_that_official_tools_send(sql: str, rules: list[str]) -> None:
    assert [each.rule.id for each in parse(sql, profile("2026-09")).findings] == rules
