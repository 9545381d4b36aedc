"""Statements that an application may send, after the tests of Blocks for TypeScript, in our words.

`listed` is what is expected there: accepted or refused. What Aurora DSQL itself does otherwise is told in `differs`, by
dialect: `portable` is a cautious part, `2026-09` is what a real cluster answered in September 2026, and later dialects
accept what it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dsql_dialect.profiles import DEFAULT, NAMES, PROFILES


@dataclass(frozen=True)
class Case:
    """One statement, whether it is expected to be accepted, and why a dialect does the opposite."""

    text: str
    listed: bool
    differs: dict[str, str] = field(default_factory=dict)


SINCE_2026_09 = [each for each in NAMES if each != DEFAULT.name]
FOREIGN_KEYS = dict.fromkeys(SINCE_2026_09, "foreign keys came on 2026-08-26")
VIEWS = dict.fromkeys(SINCE_2026_09, "views are supported")
DROP_COLUMN = dict.fromkeys(
    SINCE_2026_09, "columns can be dropped since 2026-08-03, those of the primary key excepted"
)
JSONB = dict.fromkeys(SINCE_2026_09, "JSONB columns came on 2026-06-08")
ASYNC_ONLY = dict.fromkeys(NAMES, "0A000 `please use CREATE INDEX ASYNC`")
PARTIAL = {"portable": "partial indexes came on 2026-09-15, so a cluster may not have them"}
PLPGSQL = {known.name: "PL/pgSQL came on 2026-11-01" for known in PROFILES if known.has_plpgsql}
EXPRESSION = {"portable": "expression indexes came on 2026-08-13, so a cluster may not have them"}

CASES: dict[str, Case] = {
    "V01a": Case("SELECT 1", True),
    "V01b": Case("INSERT INTO t VALUES (1)", True),
    "V01c": Case("CREATE TABLE t (id int)", True),
    "V01d": Case("CREATE INDEX ASYNC ON t (id)", True),
    "V02": Case("SELECT 'REFERENCES'", True),
    "V03": Case("-- FOREIGN KEY\nSELECT 1", True),
    "V04": Case("CREATE TABLE t (u int REFERENCES users(id))", False, FOREIGN_KEYS),
    "V05": Case("CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()", False),
    "V06": Case("CREATE VIEW v AS SELECT 1", False, VIEWS),
    "V07": Case("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", False, PLPGSQL),
    "V08": Case("CREATE TABLE t (id SERIAL)", False),
    "V09": Case("TRUNCATE TABLE t", False),
    "V10": Case("LISTEN ch", False),
    "V11": Case("NOTIFY ch, 'x'", False),
    "V12": Case("CREATE EXTENSION pgcrypto", False),
    "V13": Case("ALTER TABLE t ADD COLUMN c int DEFAULT 1", False),
    "V14": Case("ALTER TABLE t ENABLE ROW LEVEL SECURITY", False),
    "V15": Case("CREATE TEMP TABLE t (id int)", False),
    "V16": Case("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", False),
    "V17": Case('SELECT name FROM t ORDER BY name COLLATE "en_US"', False),
    "V18": Case("ALTER TABLE t DROP COLUMN x", False, DROP_COLUMN),
    "V19": Case("ALTER TABLE t DROP x", False, DROP_COLUMN),
    "V20": Case("ALTER TABLE t DROP IF EXISTS x", False, DROP_COLUMN),
    "V21": Case('ALTER TABLE t DROP "identity"', False, DROP_COLUMN),
    "V22a": Case("ALTER TABLE t ALTER COLUMN c DROP IDENTITY", True),
    "V22b": Case("ALTER TABLE t ALTER COLUMN c DROP DEFAULT", True),
    "V22c": Case("ALTER TABLE t ALTER COLUMN c DROP NOT NULL", True),
    "V22d": Case("ALTER TABLE t ALTER COLUMN c DROP EXPRESSION", True),
    "V22e": Case("ALTER TABLE t DROP CONSTRAINT c", True),
    "V22f": Case("ALTER TABLE t DROP CONSTRAINT IF EXISTS c CASCADE", True),
    "V22g": Case("ALTER TABLE t RENAME TO u", True),
    "V22h": Case("DROP TABLE t", True),
    "V23": Case("ALTER TABLE t ALTER COLUMN c DROP DEFAULT; DROP TABLE t", True),
    "V24": Case("CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid())", True),
    "V25": Case("CREATE TABLE t (a int, b int, PRIMARY KEY (a, b))", True),
    "V26": Case("CREATE TABLE t (n int CHECK (n > 0))", True),
    "V27": Case("CREATE TABLE t (mail text UNIQUE)", True),
    "V28": Case("CREATE INDEX ASYNC i ON t (a) WHERE active = true", True, PARTIAL),
    "V29": Case("CREATE TABLE t (d JSONB)", False, JSONB),
    "V30": Case("CREATE TABLE t (d JSON)", True),
    "V31": Case("SELECT data::jsonb->>'name' FROM t WHERE id = $1", True),
    "V32": Case("CREATE TABLE t (id BIGSERIAL)", False),
    "V33": Case("CREATE TABLE t (id int, u int REFERENCES users(id), n int)", False, FOREIGN_KEYS),
    "V34": Case("CREATE TABLE t (u int, FOREIGN KEY (u) REFERENCES users(id))", False, FOREIGN_KEYS),
    "V35": Case("CREATE OR REPLACE VIEW v AS SELECT 1", False, VIEWS),
    "V36": Case("CREATE TEMPORARY TABLE t (id int)", False),
    "V37": Case("TRUNCATE t CASCADE", False),
    "V38": Case("CREATE POLICY p ON t", False),
    "V39": Case("ALTER TABLE t ADD COLUMN status TEXT DEFAULT 'active'", False),
    "V40": Case("ALTER TABLE t ADD COLUMN status TEXT", True),
    "V41": Case(
        "CREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n RETURN 1;\nEND\n$$ LANGUAGE plpgsql", False, PLPGSQL
    ),
    "V42": Case("CREATE TABLE t (references_count int)", True),
    "V43": Case("INSERT INTO t VALUES ('TRUNCATE')", True),
    "V44": Case("/* FOREIGN KEY */ CREATE TABLE t (id int)", True),
    "V45": Case("INSERT INTO t VALUES ($tmpl$CREATE TRIGGER x$tmpl$)", True),
    "V46": Case('CREATE TABLE t (name text COLLATE "en_US")', False),
    "V47": Case("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", False),
    "V48": Case('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"', False),
    "V49": Case('SELECT * FROM t WHERE id = $1 ORDER BY name COLLATE "en_US"', False),
    "V50": Case("SELECT * FROM t WHERE id = $1; TRUNCATE t", False),
    "V51": Case(
        "SELECT * FROM t WHERE id = $1; CREATE TABLE u (t int REFERENCES t(id))", False, FOREIGN_KEYS
    ),
    "V52": Case("SELECT $1; CREATE TABLE u (t int REFERENCES t(id)); SELECT $2", False, FOREIGN_KEYS),
    "V53a": Case("UPDATE t SET n = $1 WHERE id = $2", True),
    "V53b": Case("INSERT INTO t VALUES ($1, $2)", True),
    "V53c": Case("SELECT * FROM t WHERE id = ANY($1)", True),
    "V54": Case("SELECT * FROM t WHERE kind = 'TRUNCATE' AND id = $1", True),
    "V55": Case("CREATE INDEX i ON t (a DESC)", False),
    "V56": Case("CREATE INDEX ASYNC i ON t (a DESC)", False),
    "V57": Case("CREATE INDEX ASYNC i ON t (a ASC)", False),
    "V58a": Case("CREATE INDEX ASYNC i ON t (a NULLS FIRST)", True),
    "V58b": Case("CREATE INDEX ASYNC i ON t (a NULLS LAST)", True),
    "V59": Case("CREATE INDEX i ON t (a)", True, ASYNC_ONLY),
    "V60": Case("CREATE INDEX ASYNC i ON t (a) WHERE description IS NOT NULL", True, PARTIAL),
    "V61": Case("CREATE INDEX ASYNC i ON t (lower(a))", True, EXPRESSION),
    "V62": Case("SELECT * FROM t ORDER BY a DESC", True),
}
