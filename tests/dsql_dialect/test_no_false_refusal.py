"""Keywords in names, literals and comments never refuse a statement."""

from __future__ import annotations

import pytest

from dsql_dialect import PROFILES, Profile, parse, profile

EVERY_DIALECT = pytest.mark.parametrize("dialect", PROFILES, ids=lambda each: each.name)

HARMLESS = (
    "SELECT 'REFERENCES'",
    "-- FOREIGN KEY\nSELECT 1",
    "/* FOREIGN KEY */ CREATE TABLE a (id int)",
    "SELECT 1 /* nested /* TRUNCATE */ LISTEN */",
    "INSERT INTO a VALUES ('TRUNCATE')",
    "INSERT INTO a VALUES ($1, 'TRUNCATE', $2)",
    "INSERT INTO a VALUES ($tmpl$ CREATE TRIGGER t $tmpl$)",
    r"INSERT INTO a VALUES (E'\'; TRUNCATE a; --')",
    'CREATE TABLE a (references_count int, notify int, serial int, listen int, "references" int)',
    "SELECT notify, serial, listen, truncate, vacuum FROM a WHERE a.temporary",
    "CREATE TABLE serial (id uuid PRIMARY KEY DEFAULT gen_random_uuid())",
    "CREATE TABLE a (id uuid, k int, PRIMARY KEY (id, k), CHECK (k > 0), n text UNIQUE)",
    "CREATE TABLE a (v json)",
    "SELECT v::jsonb ->> 'name', CAST(v AS jsonb), v :: jsonb FROM a WHERE id = $1",
    "UPDATE a SET v = $1 WHERE id = ANY($2)",
    "SELECT * FROM a ORDER BY name DESC, description ASC",
    "ALTER TABLE a ALTER COLUMN c DROP IDENTITY",
    "ALTER TABLE a ALTER COLUMN c DROP DEFAULT",
    "ALTER TABLE a ALTER COLUMN c SET DEFAULT 3",
    "ALTER TABLE a ALTER COLUMN c DROP NOT NULL",
    "ALTER TABLE a ALTER COLUMN c DROP EXPRESSION",
    "ALTER TABLE a DROP CONSTRAINT c",
    "ALTER TABLE a DROP CONSTRAINT IF EXISTS c CASCADE",
    "ALTER TABLE a RENAME TO b",
    "ALTER TABLE a RENAME COLUMN c TO d",
    "ALTER TABLE a ADD COLUMN c text",
    "ALTER TABLE a ADD COLUMN c int, ALTER COLUMN d SET DEFAULT 3",
    "DROP TABLE a",
    "CREATE INDEX ASYNC i ON a (c NULLS FIRST, d NULLS LAST)",
    "CREATE UNIQUE INDEX ASYNC i ON a (descending, asc_order)",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT ''TRUNCATE a'' FROM a; VALUES (1)'",
    "CREATE FUNCTION f(n int) RETURNS void LANGUAGE sql AS $$ /* LOCK a */ DELETE FROM a WHERE id = n $$",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS ''",
    "SELECT row_to_json(x) FROM json_to_recordset('[]') AS x (a int[], b money)",
)


@EVERY_DIALECT
@pytest.mark.parametrize("sql", HARMLESS)
def test_is_accepted(sql: str, dialect: Profile) -> None:
    assert parse(sql, dialect).findings == ()


REFUSED_EVERYWHERE = {
    "CREATE TABLE a (id SERIAL)": "serial",
    "CREATE TABLE a (id smallserial)": "serial",
    "CREATE TABLE a (id serial8)": "serial",
    "TRUNCATE a CASCADE": "truncate",
    "SELECT $1; TRUNCATE a": "truncate",
    "CREATE OR REPLACE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()": "create-trigger",
    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()": "create-trigger",
    "CREATE FUNCTION f() RETURNS int LANGUAGE 'C' AS 'libc', 'system'": "function-other-language",
    "CREATE PROCEDURE p() AS 'SELECT 1'": "procedure-language",
    "CREATE LOCAL TEMP TABLE a (id int)": "temp-table",
    "CREATE TABLE pg_temp.a (id int)": "temp-table",
    "ALTER TABLE a ADD c int DEFAULT 1": "add-column-constraint",
    "ALTER TABLE a FORCE ROW LEVEL SECURITY": "row-level-security",
    'SELECT * FROM a ORDER BY name COLLATE "en_US"': "collation",
    'SELECT * FROM a WHERE name COLLATE "en_US" > $1': "collation",
    'CREATE TABLE a (name text COLLATE "C")': "column-collation",
    "CREATE TABLE a (v hstore[])": "array-column",
    "CREATE INDEX ASYNC i ON a (v ASC)": "index-sort-order",
    "CREATE INDEX i ON a (v DESC)": "create-index-sync",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED": "set-isolation-level",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE": "set-isolation-level",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "set-parameter",
    "SET ROLE app": "set-parameter",
    "SET SESSION AUTHORIZATION app": "set-parameter",
    "SET my.variable = '1'": "set-parameter",
    "RESET ROLE": "set-parameter",
    "RESET SESSION AUTHORIZATION": "set-parameter",
    "RESET transaction_isolation": "set-parameter",
    "SET LOCAL transaction_read_only TO DEFAULT": "set-parameter",
    "RESET my.variable": "set-parameter",
    "RESET works_mem": "unknown-parameter",
    "RESET dsql.enable_everything": "reserved-parameter",
    "SELECT set_config('dsql.enable_everything', 'on', false)": "reserved-parameter",
    "CREATE TABLE a (v int, CHECK (v > 0) DEFERRABLE)": "not-implemented",
    "SELECT set_config('work_mem', '1GB', true)": "set-parameter",
    "SELECT pg_catalog.pg_advisory_xact_lock(1)": "advisory-lock",
    "WITH x AS (SELECT 1 FROM a FOR NO KEY UPDATE) SELECT * FROM x": "locking-clause",
    "EXPLAIN CREATE TABLE b AS SELECT 1": "create-table-as",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SET SESSION AUTHORIZATION postgres $$": "function-body",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT 1; CREATE TABLE a (id int) $$": "function-body",
    "CREATE FUNCTION f() RETURNS void LANGUAGE 'sql' AS 'COMMIT'": "function-body",
    r"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS E'TRUNC\x41TE a'": "truncate",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT pg_advisory_lock(1); END": "advisory-lock",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_lock(1) $$": "advisory-lock",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELEC 1 $$": "syntax-error",
    "CREATE TABLE a (b int REFERENCES c MATCH PARTIAL)": "not-implemented",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO app": "grant-schema-public",
}


@EVERY_DIALECT
@pytest.mark.parametrize(("sql", "rule"), REFUSED_EVERYWHERE.items())
def test_is_refused(sql: str, rule: str, dialect: Profile) -> None:
    assert rule in {finding.rule.id for finding in parse(sql, dialect).findings}


PLPGSQL = {
    "CREATE FUNCTION f() RETURNS int LANGUAGE 'PLpgSQL' AS $b$\nBEGIN RETURN 1; END $b$": "function-language",
    "CREATE OR REPLACE PROCEDURE s.p() AS 'BEGIN COMMIT; END' LANGUAGE plpgsql": "create-procedure",
    "DO LANGUAGE plpgsql 'BEGIN PERFORM 1; END'": "do-block",
    "CALL sys.p('wait_for_job')": "call",
    "DROP PROCEDURE IF EXISTS p(int)": "drop-procedure",
    "REVOKE EXECUTE ON PROCEDURE p FROM app": "grant-procedure",
}


@pytest.mark.parametrize(("sql", "rule"), PLPGSQL.items())
def test_plpgsql_is_refused_before_november(sql: str, rule: str) -> None:
    for name in ("portable", "2026-09"):
        (finding,) = parse(sql, profile(name)).findings
        assert finding.rule.id == rule
        assert "choose dialect 2026-11" in finding.remedy
    assert parse(sql, profile("2026-11")).findings == ()


PORTABLE_ONLY = {
    "CREATE TABLE a (b_id uuid, c int, FOREIGN KEY (b_id) REFERENCES b (id))": "foreign-key",
    "CREATE TABLE a (id uuid REFERENCES b (id), c int REFERENCES d)": "foreign-key",
    "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES b NOT VALID": "foreign-key",
    "CREATE OR REPLACE VIEW v AS SELECT 1": "create-view",
    "ALTER TABLE a DROP c": "drop-column",
    "ALTER TABLE a DROP IF EXISTS c": "drop-column",
    'ALTER TABLE a DROP "identity"': "drop-column",
    "CREATE TABLE a (v jsonb)": "jsonb-column",
    "CREATE INDEX ASYNC i ON a (c) WHERE description <> ''": "partial-index",
}


@pytest.mark.parametrize(("sql", "rule"), PORTABLE_ONLY.items())
def test_is_refused_by_portable_which_names_the_dialect(sql: str, rule: str) -> None:
    findings = parse(sql, profile("portable")).findings
    assert {finding.rule.id for finding in findings} == {rule}
    assert all("choose dialect 2026-09" in finding.remedy for finding in findings)
    assert parse(sql, profile("2026-09")).findings == ()
