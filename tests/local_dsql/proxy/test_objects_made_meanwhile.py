"""DDL on a name for which another session commits DDL first: the second COMMIT loses, and undoes nothing of the first.

PostgreSQL finds an object in the catalog as it is now. So DDL that is replayed after a suspension could replace an
object that the snapshot of its transaction does not show, or do nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest

from tests.local_dsql.proxy.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

LOSES, COMMITS, EITHER = True, False, None


class Case(NamedTuple):
    """The DDL of two sessions, and the outcome of the second COMMIT.

    `mine` comes first and is committed last. `{n}` is 2 in `mine` and 3 in `theirs`, `{new}` a new name. `EITHER`: the
    outcome is the same, because `mine` has no effect.
    """

    mine: str
    theirs: str
    loses: bool | None = LOSES


VIEW = "CREATE OR REPLACE VIEW {new} AS SELECT {n} AS n"
TABLE = "CREATE TABLE IF NOT EXISTS {new} (id int PRIMARY KEY, c{n} int)"
SEQUENCE = "CREATE SEQUENCE IF NOT EXISTS {new} CACHE 1 START {n}"
FUNCTION = "CREATE OR REPLACE FUNCTION {new}() RETURNS int LANGUAGE sql AS 'SELECT {n}'"
SAME = (
    VIEW,
    TABLE,
    SEQUENCE,
    FUNCTION,
    "CREATE SCHEMA IF NOT EXISTS {new}",
    "CREATE INDEX ASYNC IF NOT EXISTS {new} ON om_table (n, id)",
    "CREATE DOMAIN {new} AS int CHECK (value <> {n})",
    "CREATE ROLE {new}",
    "CREATE OR REPLACE VIEW om_view AS SELECT {n} AS n",
    "CREATE OR REPLACE FUNCTION om_function() RETURNS int LANGUAGE sql AS 'SELECT {n}'",
    "ALTER TABLE om_table ADD COLUMN IF NOT EXISTS {new} int",
    "ALTER TABLE om_table RENAME TO {new}",
    "DROP VIEW IF EXISTS om_view",
    "DROP FUNCTION IF EXISTS om_function()",
    "DROP SEQUENCE IF EXISTS om_sequence",
    "DROP DOMAIN IF EXISTS om_domain",
    "DROP SCHEMA IF EXISTS om_schema",
    "DROP TABLE IF EXISTS om_table",
    "COMMENT ON VIEW om_view IS '{n}'",
    "COMMENT ON FUNCTION om_function() IS '{n}'",
    "COMMENT ON TABLE om_table IS '{n}'",
    "GRANT SELECT ON om_view TO om_role",
    "GRANT EXECUTE ON FUNCTION om_function() TO om_role",
    "GRANT USAGE ON SCHEMA om_schema TO om_role",
)
CASES = (
    *(Case(each, each) for each in SAME),
    Case(VIEW, "CREATE VIEW {new} AS SELECT {n} AS n"),
    Case("CREATE VIEW {new} AS SELECT {n} AS n", VIEW),
    Case(VIEW, TABLE),
    Case(TABLE, VIEW),
    Case(SEQUENCE, TABLE),
    Case("ALTER TABLE om_table RENAME TO {new}", VIEW),
    Case("CREATE OR REPLACE VIEW om_view AS SELECT {n} AS n", "DROP VIEW IF EXISTS om_view"),
    Case("COMMENT ON VIEW om_view IS '{n}'", "CREATE OR REPLACE VIEW om_view AS SELECT {n} AS n"),
    Case("DROP VIEW IF EXISTS {new}", VIEW, EITHER),
    Case("DROP TABLE IF EXISTS {new}", TABLE, EITHER),
    Case("DROP SEQUENCE IF EXISTS {new}", SEQUENCE, EITHER),
    Case(VIEW, "CREATE OR REPLACE VIEW {new}_other AS SELECT 1 AS n", COMMITS),
    Case(TABLE, "CREATE TABLE {new}_other (id int PRIMARY KEY)", COMMITS),
)
OBJECTS = (
    "CREATE TABLE om_table (id int PRIMARY KEY, n int)",
    "CREATE VIEW om_view AS SELECT 0 AS n",
    "CREATE FUNCTION om_function() RETURNS int LANGUAGE sql AS 'SELECT 0'",
    "CREATE SEQUENCE om_sequence CACHE 1",
    "CREATE DOMAIN om_domain AS int",
    "CREATE SCHEMA om_schema",
    "CREATE ROLE om_role",
)


@pytest.fixture(scope="module", params=[False, True], ids=["on demand", "suspend always"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of its own: DDL of other tests would be what a transaction loses to."""
    started = Cluster(suspend_always=request.param)
    yield started
    started.close()


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A session that has made the objects that are missing."""
    with cluster.connect() as connection:
        for sql in OBJECTS:
            try:
                connection.execute(sql)
            except psycopg.errors.Error as error:
                assert error.sqlstate in {"42P07", "42723", "42710", "42P06"}, error
        yield connection


def _catalog(connection: psycopg.Connection[Any]) -> list[Any]:
    """Return what the cases change."""
    return [
        connection.execute(sql).fetchall()
        for sql in (
            "SELECT oid, relname, relnatts, relacl::text FROM pg_class WHERE oid >= 16384 ORDER BY oid",
            "SELECT oid, pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND oid >= 16384 ORDER BY oid",
            "SELECT oid, proname, prosrc, proacl::text FROM pg_proc WHERE oid >= 16384 ORDER BY oid",
            "SELECT oid, nspname, nspacl::text FROM pg_namespace ORDER BY oid",
            "SELECT oid, typname FROM pg_type WHERE oid >= 16384 ORDER BY oid",
            "SELECT oid, rolname FROM pg_roles ORDER BY oid",
            "SELECT objoid, objsubid, description FROM pg_description WHERE objoid >= 16384 ORDER BY 1, 2",
        )
    ]


@pytest.mark.parametrize(
    ("number", "case"), [*enumerate(CASES)], ids=[f"{each.mine[:30]} / {each.theirs[:30]}" for each in CASES]
)
def test_the_second_commit_loses(
    cluster: Cluster, admin: psycopg.Connection[Any], number: int, case: Case
) -> None:
    with cluster.connect() as mine:
        mine.execute("BEGIN")
        mine.execute(case.mine.format(n=2, new=f"om_new_{number}"))
        admin.execute(case.theirs.format(n=3, new=f"om_new_{number}"))
        before = _catalog(admin)
        lost = False
        try:
            mine.execute("COMMIT")
        except psycopg.errors.SerializationFailure as error:
            assert "OC001" in str(error)
            lost = True
        assert case.loses in {lost, EITHER}
        assert (_catalog(admin) == before) is (case.loses is not COMMITS)


@pytest.mark.parametrize("sql", SAME)
def test_a_rollback_of_the_other_session_changes_nothing(
    cluster: Cluster, admin: psycopg.Connection[Any], sql: str
) -> None:
    """The replayed DDL changes the catalog as its first run has, so it is committed."""
    new = f"om_again_{SAME.index(sql)}"
    with cluster.connect() as mine:
        mine.execute("BEGIN")
        mine.execute(sql.format(n=2, new=new))
        with admin.transaction(force_rollback=True):
            admin.execute(sql.format(n=3, new=new))
        before = _catalog(admin)
        mine.execute("COMMIT")
        assert _catalog(admin) != before
