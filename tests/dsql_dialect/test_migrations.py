"""A folder of migrations is compiled, or all of its faults are reported at once."""

from __future__ import annotations

import hashlib
import json
import pickle
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsql_dialect import profile
from dsql_dialect.migrations import (
    CompiledMigrations,
    MigrationErrors,
    MigrationFinding,
    compile_folder,
    rules,
)
from dsql_dialect.profiles import way_out

if TYPE_CHECKING:
    from dsql_dialect import Rule

ACCOUNTS = "CREATE TABLE accounts (id uuid PRIMARY KEY)"


def folder(path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def faults(path: Path, files: dict[str, str | bytes], dialect: str = "2026-09") -> list[MigrationFinding]:
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(folder(path, files), profile(dialect))
    return list(caught.value.findings)


def compiled(path: Path, files: dict[str, str | bytes], dialect: str = "2026-09") -> CompiledMigrations:
    return compile_folder(folder(path, files), profile(dialect))


def test_manifest(tmp_path: Path) -> None:
    text = f"-- the table\r\n{ACCOUNTS};\r\n"
    manifest = compiled(
        tmp_path,
        {
            "10_index.sql": "CREATE UNIQUE INDEX ASYNC accounts_id ON accounts (id)",
            "001_create_accounts.sql": b"\xef\xbb\xbf" + text.encode(),
            "2_fill.sql": "-- blocks: batch\nDELETE FROM accounts;\n\nINSERT INTO accounts VALUES (1)",
            "README.md": "not a migration",
        },
        "portable",
    ).document()
    normalised = text.replace("\r\n", "\n")
    assert manifest == {
        "format": 1,
        "dialect": "portable",
        "migrations": [
            {
                "version": 1,
                "name": "001_create_accounts",
                "checksum": hashlib.sha256(normalised.encode()).hexdigest(),
                "kind": "ddl",
                "statements": [
                    {
                        "sql": ACCOUNTS,
                        "kind": "ddl",
                        "line": 2,
                        "column": 1,
                        "batch": False,
                        "probe": {"object": "table", "schema": "public", "name": "accounts", "present": True},
                        "repeatable": False,
                    }
                ],
            },
            {
                "version": 2,
                "name": "2_fill",
                "checksum": manifest["migrations"][1]["checksum"],  # type: ignore[index, call-overload]
                "kind": "dml",
                "statements": [
                    {
                        "sql": "DELETE FROM accounts",
                        "kind": "dml",
                        "line": 2,
                        "column": 1,
                        "batch": True,
                        "probe": None,
                        "repeatable": False,
                    },
                    {
                        "sql": "INSERT INTO accounts VALUES (1)",
                        "kind": "dml",
                        "line": 4,
                        "column": 1,
                        "batch": False,
                        "probe": None,
                        "repeatable": False,
                    },
                ],
            },
            {
                "version": 10,
                "name": "10_index",
                "checksum": manifest["migrations"][2]["checksum"],  # type: ignore[index, call-overload]
                "kind": "ddl",
                "statements": [
                    {
                        "sql": "CREATE UNIQUE INDEX ASYNC accounts_id ON accounts (id)",
                        "kind": "index",
                        "line": 1,
                        "column": 1,
                        "batch": False,
                        "probe": {
                            "object": "index",
                            "schema": "public",
                            "table": "accounts",
                            "name": "accounts_id",
                            "present": True,
                        },
                        "repeatable": False,
                    }
                ],
            },
        ],
    }
    assert json.loads(json.dumps(manifest)) == manifest


def test_digest_is_of_the_canonical_json_and_ignores_line_ends(tmp_path: Path) -> None:
    for name, ending in (("unix", "\n"), ("windows", "\r\n"), ("mac", "\r")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1_a.sql").write_bytes(f"{ACCOUNTS};{ending}-- é{ending}".encode())
    digests = {compile_folder(path).digest for path in tmp_path.iterdir()}
    assert len(digests) == 1
    (tmp_path / "unix" / "1_a.sql").write_text(ACCOUNTS)
    changed = compile_folder(tmp_path / "unix")
    assert changed.digest not in digests
    assert changed.digest == hashlib.sha256(changed.canonical_json()).hexdigest()
    assert b": " not in changed.canonical_json()


def test_an_empty_folder_has_no_migrations(tmp_path: Path) -> None:
    assert compile_folder(tmp_path).document() == {"format": 1, "dialect": "portable", "migrations": []}


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("ALTER TABLE ASYNC a VALIDATE CONSTRAINT c", "validate"),
        ("GRANT SELECT ON a TO app", "grant"),
        ("GRANT app TO joe", "grant"),
        ("AWS IAM GRANT app TO 'arn'", "grant"),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO app", "grant"),
        ("WITH x AS (DELETE FROM a RETURNING id) SELECT * FROM x", "dml"),
        ("COMMENT ON TABLE a IS 'x'", "ddl"),
    ],
)
def test_kinds(tmp_path: Path, sql: str, kind: str) -> None:
    (migration,) = compiled(tmp_path, {"1_a.sql": sql}).migrations
    assert migration.statements[0].kind == kind
    assert migration.kind == ("dml" if kind == "dml" else "ddl")


def test_refused_statement_in_line_three(tmp_path: Path) -> None:
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(folder(tmp_path, {"001_clear.sql": "-- clear\n\n  TRUNCATE accounts;\n"}))
    assert str(caught.value) == (
        f"{tmp_path}/001_clear.sql:3:3: TRUNCATE is not supported [truncate]\n"
        "  why: unsupported statement: Truncate (SQLSTATE 0A000)\n"
        "  do:  Use DELETE FROM, in batches of at most 3,000 rows a transaction, or drop and recreate the "
        "table.\n"
        "explained by `blocks explain-error truncate`"
    )


def test_portable_names_the_dialect_that_allows(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"1_v.sql": "CREATE TABLE a (b uuid REFERENCES b (id))"}, "portable")
    assert fault.rule.id == "foreign-key"
    assert fault.remedy.endswith(way_out(date(2026, 8, 26)))


def test_every_fault_of_every_file_is_reported(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        {
            "001_a.sql": "CREATE TABLE a (id serial, v money);\nLISTEN c;",
            "002_b.sql": "SELEC 1;\nCREATE TABLE b (id int);\n  CREATE TABLE c (id int);",
            "1_c.sql": "",
            "b.sql": ACCOUNTS,
            "003_d.sql": b"SELECT '\n\xff'",
        },
    )
    assert [(fault.path.name, fault.line, fault.column, fault.rule.id) for fault in found] == [
        ("001_a.sql", 1, 20, "serial"),
        ("001_a.sql", 1, 30, "column-type"),
        ("001_a.sql", 2, 1, "listen"),
        ("002_b.sql", 1, 1, "syntax-error"),
        ("002_b.sql", 3, 3, "one-ddl-per-file"),
        ("003_d.sql", 2, 1, "migration-encoding"),
        ("1_c.sql", 1, 1, "migration-version"),
        ("1_c.sql", 1, 1, "migration-empty"),
        ("b.sql", 1, 1, "migration-name"),
    ]


OF_CONTENT = [
    rule
    for rule in rules.RULES
    if rule
    not in (
        *(rules.FOLDER, rules.NESTED, rules.FILE, rules.NAME, rules.VERSION, rules.DOWN_FILE, rules.ENCODING),
        rules.TOO_MANY_ROWS,  # its example would be thousands of rows: test_row_limit
    )
]


@pytest.mark.parametrize("rule", OF_CONTENT, ids=lambda rule: rule.id)
def test_rule_refuses_its_example_and_accepts_the_near_miss(tmp_path: Path, rule: Rule) -> None:
    (tmp_path / "refused").mkdir()
    (tmp_path / "accepted").mkdir()
    dialect = "2026-11" if rule in (rules.DO, rules.CALL_PROCEDURE) else "2026-09"
    assert rule in [fault.rule for fault in faults(tmp_path / "refused", {"1_a.sql": rule.refused}, dialect)]
    assert compiled(tmp_path / "accepted", {"1_a.sql": rule.accepted}, dialect).migrations


def test_finds_names_of_extensions_in_bodies(tmp_path: Path) -> None:
    sql = (
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$\nDECLARE\n  a uuid;\nBEGIN\n"
        "  IF a IS NULL THEN a := uuid_generate_v4(); END IF;\nEND $$"
    )
    (fault,) = faults(tmp_path, {"1_a.sql": sql}, "2026-11")
    assert (fault.rule.id, fault.line, fault.column) == ("extension-function", 5, 26)


PROCEDURES: dict[str, str | bytes] = {
    "1_p.sql": "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
    "2_c.sql": "COMMENT ON PROCEDURE p IS 'x'",
    "3_g.sql": "GRANT EXECUTE ON PROCEDURE p TO admin",
    "4_r.sql": "CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
    "5_d.sql": "DROP PROCEDURE p",
}


def test_procedures_can_be_made_commented_on_granted_and_dropped(tmp_path: Path) -> None:
    steps = compiled(tmp_path, PROCEDURES, "2026-11").migrations
    statements = [statement for each in steps for statement in each.statements]
    assert [each.probe is not None for each in statements] == [True, False, False, False, True]
    assert [each.repeatable for each in statements] == [False, True, True, True, False]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_rule_has_all_its_parts(rule: Rule) -> None:
    assert not rule.title.endswith(".")
    assert rule.remedy.endswith(".")
    assert rule.text and rule.source


BAD_NAMES = [
    "accounts.sql",
    "001.sql",
    "001_.sql",
    "001-a.sql",
    "001_a.SQL",
    "v1_a.sql",
    "1 _a.sql",
    "1_ä.sql",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(tmp_path: Path, name: str) -> None:
    (fault,) = faults(tmp_path, {name: ACCOUNTS})
    assert (fault.rule.id, fault.path.name) == ("migration-name", name)


def test_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"007_a.sql": ACCOUNTS, "7_b.sql": ACCOUNTS})
    assert fault.rule.id == "migration-version"
    assert "`007_a.sql` has number 7 too" in fault.why


def test_hidden_files_folders_and_backups_are_no_migrations(tmp_path: Path) -> None:
    (tmp_path / "1_old.sql").mkdir()
    assert compiled(tmp_path, {".1_a.sql": "x", "1_a.sql~": "x", "1_a.sql.bak": "x"}).migrations == ()


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(tmp_path / "nowhere")
    (fault,) = caught.value.findings
    assert (fault.rule.id, fault.why) == ("migrations-folder", "No such file or directory")


def test_a_missing_relative_folder_says_where_its_path_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MigrationErrors) as caught:
        compile_folder("db/migrations")
    assert caught.value.findings[0].why == f"No such file or directory; the path starts from {tmp_path}"


@pytest.mark.parametrize(
    "file",
    [
        "migrations/001_a.sql",
        "20250101000000_init/migration.sql",
        "db/migrations/001_a.sql",
        "schema/accounts.SQL",
    ],
)
def test_sql_in_sub_folders_alone_is_refused(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text("CREATE TABLE a (id int)")
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(tmp_path)
    (fault,) = caught.value.findings
    assert fault.rule.id == "migrations-in-subfolders"
    assert f"`{Path(file).parent.as_posix()}`" in fault.why


def test_sub_folders_beside_migrations_and_hidden_ones_are_ignored(tmp_path: Path) -> None:
    for folder in ("seeds", ".git"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "001_a.sql").write_text("CREATE TABLE a (id int)")
    assert len(compiled(tmp_path, {"001_b.sql": "CREATE TABLE b (id int)"}).migrations) == 1
    (tmp_path / "001_b.sql").unlink()
    (tmp_path / "seeds" / "001_a.sql").unlink()
    assert compile_folder(tmp_path).migrations == ()


def test_a_bad_byte_is_placed_by_characters(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": "é\néé".encode() + b"\xfe"})
    assert (fault.line, fault.column, fault.why) == (2, 3, "byte 0xfe at offset 7 is not UTF-8")


def test_other_encodings_are_named(tmp_path: Path) -> None:
    utf16, joined = faults(tmp_path, {"1_a.sql": ACCOUNTS.encode("utf-16"), "2_b.sql": f"{ACCOUNTS};\ufeff"})
    assert utf16.why == "it begins with the byte order mark of UTF-16"
    assert joined.why == "a byte order mark stands here, as where two files were joined"


ENDLESS = {
    "UPDATE a SET n = n + 1": "an UPDATE without WHERE changes its rows again and again, so it never ends",
    "INSERT INTO a VALUES (1)": "an INSERT of the same rows adds them again and again, so it never ends",
    "INSERT INTO a SELECT 1": "an INSERT of the same rows adds them again and again, so it never ends",
    "INSERT INTO a SELECT n FROM b WHERE n NOT IN (SELECT n FROM a) LIMIT 9": None,
    "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING": None,
    "UPDATE a SET n = 1 FROM b": None,
    "DELETE FROM a": None,
}


@pytest.mark.parametrize(("sql", "why"), ENDLESS.items())
def test_a_batch_that_would_never_end(tmp_path: Path, sql: str, why: str | None) -> None:
    text = f"-- blocks: batch\n{sql};"
    if why is None:
        assert compiled(tmp_path, {"1_a.sql": text}).migrations[0].statements[0].directive
    else:
        (fault,) = faults(tmp_path, {"1_a.sql": text})
        assert (fault.rule.id, fault.why, fault.line) == ("endless-batch", why, 1)


def test_what_the_folder_defines_is_no_extensions(tmp_path: Path) -> None:
    """A domain or a function of the name is how a schema is ported."""
    files: dict[str, str | bytes] = {
        "1_a.sql": "CREATE DOMAIN citext AS text",
        "2_b.sql": "CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'",
        "3_c.sql": "CREATE TABLE a (email citext, id uuid DEFAULT uuid_generate_v4(), v app.vector)",
    }
    assert len(compiled(tmp_path, files).migrations) == 3


def test_an_empty_down_section_is_a_comment(tmp_path: Path) -> None:
    assert compiled(tmp_path, {"1_a.sql": f"-- migrate:up\n{ACCOUNTS};\n-- migrate:down\n"}).migrations


def test_a_function_has_parameters(tmp_path: Path) -> None:
    text = "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1 + 1"
    assert compiled(tmp_path, {"1_a.sql": text}).migrations


def test_columns_behind_a_byte_order_mark(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": "\ufeffTRUNCATE a"})
    assert (fault.line, fault.column) == (1, 1)


DIRECTIVES = {
    "-- blocks: batch\n-- why\nDELETE FROM a": [True],
    "--blocks:batch\nDELETE FROM a": [True],
    "DELETE FROM a;\n/* note */ -- BLOCKS: batch\nDELETE FROM b": [False, True],
    "/* -- blocks: batch */ DELETE FROM a": [False],
    "DELETE FROM a WHERE b = '\n-- blocks: batch\n'": [False],
}


@pytest.mark.parametrize(("sql", "batch"), DIRECTIVES.items())
def test_batch_directive(tmp_path: Path, sql: str, batch: list[bool]) -> None:
    (migration,) = compiled(tmp_path, {"1_a.sql": sql}).migrations
    assert [statement.directive is not None for statement in migration.statements] == batch


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("-- blocks: bacth\nDELETE FROM a", "`bacth` is no directive; known is `batch`"),
        ("-- blocks:\nDELETE FROM a", "`` is no directive; known is `batch`"),
        ("DELETE FROM a;\n-- blocks: batch", "no statement follows it"),
        (f"-- blocks: batch\n{ACCOUNTS}", "only a statement that changes rows can be repeated"),
    ],
)
def test_misused_directive(tmp_path: Path, sql: str, why: str) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": sql})
    assert fault.rule.id == "directive"
    assert fault.why.startswith(why)


ALIKE = (
    *("-- block: batch", "--block:batch", "-- bloks: batch", "-- Blcoks: batch", "--- blocks: batch"),
    *("-- blocks; batch", "-- blocks batch", "-- @blocks: batch", "-- blocks = batch", "-- block: bacth"),
)
NO_DIRECTIVES = (
    *(
        "-- in blocks",
        "-- blocks of a batch",
        "-- batch",
        "-- a batch",
        "-- next batch",
        "-- blocks are locked",
    ),
    *("-- batch: accounts", "-- one block: the batch of May", "-- locks: batch", "-- block: accounts"),
)


@pytest.mark.parametrize("comment", ALIKE)
def test_a_misspelt_directive_is_reported(tmp_path: Path, comment: str) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": f"{comment}\nDELETE FROM a WHERE b = 1"})
    assert (fault.rule.id, fault.line, fault.column) == ("directive", 1, 1)
    assert (
        fault.why
        == f"`{comment}` is no directive, and would have no effect; it is written `-- blocks: batch`"
    )


@pytest.mark.parametrize("comment", NO_DIRECTIVES)
def test_another_comment_is_no_directive(tmp_path: Path, comment: str) -> None:
    (migration,) = compiled(tmp_path, {"1_a.sql": f"{comment}\nDELETE FROM a"}).migrations
    assert migration.statements[0].directive is None


def test_errors_survive_pickling(tmp_path: Path) -> None:
    errors = MigrationErrors([MigrationFinding(tmp_path, 1, 1, rules.EMPTY, "why", "fix", "")])
    assert str(pickle.loads(pickle.dumps(errors))) == str(errors)
