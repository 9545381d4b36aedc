"""Statements as dumps and tools write them: remedies with names and values, unknown names, roles and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.migrations import check_files
from dsql_dialect.migrations.files import SqlFile
from tests.dsql_dialect.migration_faults import faults

if TYPE_CHECKING:
    from pathlib import Path


UNNAMED = {
    "CREATE INDEX ASYNC ON t (c)": "CREATE INDEX ASYNC t_c_idx ON t",
    "CREATE INDEX ASYNC ON t (c) INCLUDE (d)": "CREATE INDEX ASYNC t_c_d_idx ON t",
    "CREATE INDEX ASYNC ON app.t (a, lower(b), (c + 1))": "CREATE INDEX ASYNC t_a_lower_expr_idx ON app.t",
    'CREATE UNIQUE INDEX ASYNC ON "T" (c)': 'CREATE UNIQUE INDEX ASYNC "T_c_idx" ON "T"',
    'CREATE INDEX ASYNC ON "order" ("user")': 'CREATE INDEX ASYNC order_user_idx ON "order"',
    'CREATE INDEX ASYNC ON "left"."day" (c)': 'CREATE INDEX ASYNC day_c_idx ON "left".day',
    f'CREATE INDEX ASYNC ON t ("{"ü" * 31}")': f"CREATE INDEX ASYNC t_{'ü' * 28}_idx ON t",
}


@pytest.mark.parametrize(("sql", "name"), UNNAMED.items())
def test_a_name_is_proposed_for_an_index(tmp_path: Path, sql: str, name: str) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": sql})
    assert (fault.rule.id, fault.remedy) == ("unnamed-index", f"Name it: {name} ….")
    (statement,) = parse(f"{name} (c)", profile("2026-09")).statements
    assert statement.findings == (), "the remedy is SQL"


SETVAL = {
    "SELECT pg_catalog.setval('public.orders_id_seq', 42, true)": ("public.orders_id_seq", "43"),
    "SELECT setval('s'::regclass, 7, false)": ("s", "7"),
    "SELECT setval('s', 99999999999)": ("s", "100000000000"),
    "SELECT setval('s', 9223372036854775800)": ("s", "9223372036854775801"),
    "SELECT setval('s', 1e400)": ("s", "the next value"),
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
    "a table of that name in another schema": [
        "CREATE TABLE s.t (id int CONSTRAINT k PRIMARY KEY)",
        "CREATE TABLE t (id int)",
        "ALTER TABLE s.t DROP CONSTRAINT k",
    ],
    "a table of the schema public": [
        "CREATE TABLE t (id int CONSTRAINT k PRIMARY KEY)",
        "ALTER TABLE public.t DROP CONSTRAINT k",
    ],
    "a table in another schema than before": [
        "CREATE TABLE t (id int CONSTRAINT k PRIMARY KEY)",
        "ALTER TABLE t SET SCHEMA s",
        "ALTER TABLE s.t DROP CONSTRAINT k",
    ],
    "a table that is there already": [
        "CREATE TABLE t (id int CONSTRAINT k PRIMARY KEY)",
        "CREATE TABLE IF NOT EXISTS t (id int)",
        "ALTER TABLE t DROP CONSTRAINT k",
    ],
    "a table of CREATE SCHEMA": [
        "CREATE SCHEMA s CREATE TABLE t (id int CONSTRAINT k PRIMARY KEY)",
        "ALTER TABLE s.t DROP CONSTRAINT k",
    ],
    "a name that is cut": [
        f"CREATE TABLE {'t' * 63} (id int PRIMARY KEY)",
        f"ALTER TABLE {'t' * 63} DROP CONSTRAINT {'t' * 58}_pkey",
    ],
}
NO_KEYS = {
    "a check in another schema": [
        "CREATE TABLE s.t (id int CONSTRAINT k PRIMARY KEY)",
        "CREATE TABLE t (id int CONSTRAINT k CHECK (id > 0))",
        "ALTER TABLE t DROP CONSTRAINT k",
    ],
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


COMMENTS = {
    "COMMENT ON EXTENSION pgcrypto IS 'x'": 'extension "pgcrypto"',
    "COMMENT ON TRIGGER t ON s.a IS 'x'": 'trigger "t"',
    "COMMENT ON POLICY p ON a IS 'x'": 'policy "p"',
    "COMMENT ON MATERIALIZED VIEW s.m IS 'x'": 'materialized view "m"',
    "COMMENT ON PROCEDURE s.p(int) IS 'x'": 'procedure "p"',
    "COMMENT ON EVENT TRIGGER e IS NULL": 'event trigger "e"',
}


@pytest.mark.parametrize(("sql", "missing"), COMMENTS.items())
def test_comments_on_what_cannot_exist(tmp_path: Path, sql: str, missing: str) -> None:
    (fault,) = faults(tmp_path, {"1_a.sql": sql})
    assert (fault.rule.id, fault.why) == (
        "missing-object",
        f"no {missing.rpartition(' ')[0]} can be created, so {missing} does not exist",
    )


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


@pytest.mark.parametrize("between", ["SAVEPOINT x", "ROLLBACK TO x", "RELEASE x", "PREPARE TRANSACTION 'x'"])
def test_a_block_goes_on_after_what_is_refused_in_it(tmp_path: Path, between: str) -> None:
    text = f"BEGIN;\nCREATE TABLE a (id int);\n{between};\nCREATE TABLE b (id int);\nCOMMIT;\nDROP TABLE c;\n"
    found = check_files([SqlFile(tmp_path / "schema.sql", text)], profile("2026-09"))
    assert [(each.line, each.rule.id) for each in found] == [(3, "savepoint"), (4, "multiple-ddl")]


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
