"""No migration changes the tables of the migrator or makes a view of them, however it names them; it may read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lambda_migrator import tables
from migration_manifest import MIGRATOR_TABLES
from tests.dsql_dialect.migration_faults import faults

if TYPE_CHECKING:
    from pathlib import Path

CHANGING = (
    "DELETE FROM _migrations",
    "DELETE FROM public._migrations WHERE version = 3",
    'DELETE FROM "public"."_migrations"',
    "DELETE FROM _MIGRATIONS",
    'DELETE FROM U&"\\005fmigrations"',
    "DELETE FROM ONLY _migrations AS m USING a WHERE a.id = m.version",
    "UPDATE _migrations_lock SET token = 7",
    "UPDATE _grants AS g SET state = 'gone' FROM a WHERE a.id = 1",
    "INSERT INTO _grants SELECT * FROM a",
    "INSERT INTO _migrations VALUES (1) ON CONFLICT DO NOTHING",
    "WITH gone AS (DELETE FROM _migrations RETURNING version) INSERT INTO a SELECT version FROM gone",
    "TRUNCATE a, _grants",
    "CREATE TABLE _migrations (id int)",
    "CREATE TABLE IF NOT EXISTS public._grants (id int)",
    "CREATE TABLE _migrations AS SELECT 1 AS x",
    "SELECT 1 AS x INTO _migrations",
    "CREATE VIEW _grants AS SELECT 1 AS x",
    "CREATE OR REPLACE VIEW _grants AS SELECT 1 AS x",
    "CREATE SEQUENCE _migrations CACHE 1",
    "CREATE INDEX ASYNC by_name ON _migrations (name)",
    "CREATE UNIQUE INDEX ASYNC by_holder ON public._migrations_lock (holder)",
    "CREATE INDEX ASYNC _grants ON a (id)",
    "CREATE TABLE b (version bigint REFERENCES _migrations (version))",
    "ALTER TABLE a ADD CONSTRAINT up FOREIGN KEY (id) REFERENCES public._migrations (version) NOT VALID",
    "ALTER TABLE _migrations ADD COLUMN note text",
    "ALTER TABLE IF EXISTS public._grants DROP COLUMN state",
    "ALTER TABLE _migrations OWNER TO admin",
    "ALTER TABLE _migrations RENAME TO old_migrations",
    "ALTER TABLE _migrations RENAME COLUMN name TO title",
    "ALTER TABLE a RENAME TO _migrations",
    "ALTER TABLE _migrations SET SCHEMA app",
    "ALTER TABLE app._migrations SET SCHEMA public",
    "DROP TABLE _migrations",
    "DROP TABLE IF EXISTS a, public._grants CASCADE",
    "DROP SCHEMA public CASCADE",
    "ALTER SCHEMA public RENAME TO old",
    "GRANT SELECT ON _grants TO app",
    "REVOKE ALL ON TABLE a, _migrations FROM app",
    "COMMENT ON TABLE _migrations IS 'x'",
    "COMMENT ON COLUMN public._migrations.name IS 'x'",
    "CREATE VIEW v AS SELECT * FROM _grants",
    "CREATE OR REPLACE VIEW v AS SELECT max(version) AS version FROM public._migrations",
    "CREATE VIEW app.v AS SELECT a.id FROM a WHERE EXISTS (SELECT FROM _migrations_lock AS l WHERE l.id = a.id)",
    "CREATE VIEW v AS WITH g AS (SELECT id FROM _grants) SELECT id FROM g",
    "CREATE VIEW v AS WITH _grants AS (SELECT 1 AS id) SELECT id FROM public._grants",
    "CREATE VIEW v AS SELECT id FROM a UNION ALL SELECT token FROM _migrations_lock",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM _migrations $$",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM _migrations; END",
)

OTHERS = (
    "INSERT INTO a SELECT version FROM _migrations",
    "INSERT INTO a SELECT version FROM public._migrations m JOIN _grants g ON g.id = m.name",
    "UPDATE a SET id = 1 WHERE EXISTS (SELECT FROM _migrations)",
    "DELETE FROM a USING _migrations m WHERE m.version = a.id",
    "WITH _migrations AS (SELECT 1 AS version) INSERT INTO a SELECT version FROM _migrations",
    "CREATE VIEW v AS WITH _grants AS (SELECT 1 AS id) SELECT id FROM _grants",
    "CREATE VIEW v AS SELECT id FROM app._grants",
    "CREATE TABLE app._migrations (id int)",
    "DELETE FROM app._grants",
    'CREATE TABLE "_Migrations" (id int)',
    "CREATE TABLE old_migrations (_grants text)",
    "ALTER TABLE a RENAME COLUMN id TO _migrations",
    "DROP SCHEMA _migrations",
    "DROP TABLE public.a",
    "DROP ROLE public_reader",
    "ALTER TABLE a RENAME COLUMN public TO open",
    "INSERT INTO a VALUES ('DELETE FROM _migrations')",
    "COMMENT ON TABLE a IS 'not _migrations'",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO app",
)


def found(path: Path, text: str) -> list[str]:
    return [each.why for each in faults(path, {"001_a.sql": text}) if each.rule.id == "migrator-table"]


@pytest.mark.parametrize("text", CHANGING)
def test_a_change_is_refused(tmp_path: Path, text: str) -> None:
    (why,) = found(tmp_path, text)
    table = re.match("`(.*)` is a table of the migrator", why)
    assert table is not None
    assert table[1] in MIGRATOR_TABLES


@pytest.mark.parametrize("text", OTHERS)
def test_a_query_and_other_names_are_accepted(tmp_path: Path, text: str) -> None:
    assert not found(tmp_path, text)


def test_the_rule_has_every_table_that_the_migrator_creates() -> None:
    assert set(tables.CREATE) == set(MIGRATOR_TABLES)
