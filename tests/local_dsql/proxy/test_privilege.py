"""A client cannot use the proxy's privileges: not by a search path, by code in tables, or by functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

FUNCTIONS = (
    *(
        "count",
        "concat",
        "concat_ws",
        "sum",
        "coalesce",
        "current_setting",
        "pg_column_size",
        "pg_relation_size",
    ),
    *("pg_wal_lsn_diff", "pg_snapshot_xmax", "currtid2", "to_regclass", "format", "nextval", "unnest"),
)
"""Functions and types that the proxy calls, or might."""
ARGUMENTS = ("", "text", "anyelement", "bigint", "regclass", "name", "VARIADIC anyarray")
TYPES = ("text", "xid", "tid", "name", "oid", "regclass")


@pytest.fixture(scope="module")
def trapped(cluster: Cluster) -> Iterator[str]:
    """A schema whose functions and types have the names of PostgreSQL's, and fail when they are called."""
    with cluster.connect() as admin:
        admin.execute("CREATE SCHEMA trap")
        for name in FUNCTIONS:
            for arguments in ARGUMENTS:
                admin.execute(
                    f"CREATE FUNCTION trap.\"{name}\"({arguments}) RETURNS int LANGUAGE sql AS 'SELECT 1 / 0'"
                )
        for name in TYPES:
            admin.execute(f"CREATE DOMAIN trap.{name} AS varchar CHECK (false)")
    yield "SET search_path = trap, public, pg_catalog"
    with cluster.connect() as admin:
        admin.execute("DROP SCHEMA trap CASCADE")


def test_a_search_path_has_no_effect_on_the_proxy(cluster: Cluster, trapped: str) -> None:
    """Parked, brought back, doomed, measured, locked, losing: all with the traps on the path."""
    with cluster.connect() as admin:
        admin.execute("CREATE TABLE pathed (id int PRIMARY KEY, v varchar UNIQUE)")
        admin.execute("INSERT INTO pathed SELECT g, 'v' || g FROM generate_series(1, 10) g")
        # A function that writes makes the proxy count rows by PostgreSQL's counters.
        admin.execute(
            "CREATE FUNCTION trap.writes() RETURNS void LANGUAGE sql AS 'DELETE FROM public.pathed'"
        )
    with cluster.connect(autocommit=False) as one, cluster.connect(autocommit=False) as two:
        for session in (one, two):
            session.execute(trapped)
            session.commit()
        one.execute("UPDATE pathed SET v = 'one' WHERE id = 1")
        two.execute("UPDATE pathed SET v = 'two' WHERE id = 1")
        one.execute("DELETE FROM pathed WHERE id = 2")
        one.execute("SELECT v FROM pathed WHERE id = 3 FOR UPDATE")
        two.execute("INSERT INTO pathed SELECT g, 'w' || g FROM pg_catalog.generate_series(20, 40) g")
        one.commit()
        assert two.execute("SELECT v FROM pathed WHERE id IN (1, 20) ORDER BY id").fetchall() == [
            ("two",),
            ("w20",),
        ]
        with pytest.raises(psycopg.errors.SerializationFailure):
            two.commit()
        two.execute("INSERT INTO pathed SELECT g, 'w' || g FROM pg_catalog.generate_series(20, 40) g")
        two.commit()
        two.execute("SELECT 1")
        one.execute("INSERT INTO pathed VALUES (50, 'fifty')")
        one.commit()
        two.execute("INSERT INTO pathed VALUES (51, 'fifty')")
        with pytest.raises(psycopg.errors.SerializationFailure):
            two.commit()
        superusers = "SELECT pg_catalog.string_agg(rolname, ',') FROM pg_roles WHERE rolsuper"
        assert one.execute(superusers).fetchone() == ("postgres",)
        one.commit()
        job = one.execute("CREATE INDEX ASYNC pathed_v ON pathed (v)").fetchone()
        one.commit()
        one.autocommit = True
        assert one.execute("CALL sys.wait_for_job(%s)", job).fetchone() == (True,)


def test_code_in_a_table_runs_with_the_rights_of_its_owner(cluster: Cluster) -> None:
    """Checks, indexes, domains and generated columns, in active, suspended, resumed and doomed transactions."""
    with cluster.connect() as admin:
        admin.execute(
            "CREATE FUNCTION as_admin(n int) RETURNS int LANGUAGE sql IMMUTABLE"
            " AS $$ SELECT CASE WHEN current_user = 'admin' THEN n ELSE n / (n - n) END $$"
        )
        admin.execute("CREATE DOMAIN of_admin AS int CHECK (as_admin(VALUE) > 0)")
        admin.execute(
            "CREATE TABLE code (id int PRIMARY KEY, n int CHECK (as_admin(n) > 0), d of_admin, v text UNIQUE,"
            " twice int GENERATED ALWAYS AS (2 * as_admin(n)) STORED)"
        )
        admin.execute("INSERT INTO code VALUES (1, 10, 1, 'a'), (2, 20, 2, 'b')")
        admin.execute("ALTER TABLE code ADD CONSTRAINT later CHECK (as_admin(n) < 1000) NOT VALID")
        for sql in (
            "CREATE UNIQUE INDEX ASYNC code_n ON code (as_admin(n)) WHERE as_admin(n) > 0",
            "ALTER TABLE ASYNC code VALIDATE CONSTRAINT later",
        ):
            job = admin.execute(sql).fetchone()
            assert job is not None
            assert admin.execute("CALL sys.wait_for_job(%s)", job).fetchone() == (True,)
        with cluster.connect(autocommit=False) as one, cluster.connect(autocommit=False) as two:
            for winner, loser in ((one, two), (two, one)):
                one.execute("UPDATE code SET n = n + 1, d = d + 1, v = v || '1' WHERE id = 1")
                two.execute("UPDATE code SET n = n + 1, d = d + 1, v = v || '2' WHERE id = 1")
                winner.execute("UPDATE code SET v = CASE id WHEN 1 THEN 'b' ELSE v || '3' END")
                winner.commit()
                loser.execute("INSERT INTO code (id, n, d, v) VALUES (3, 30, 3, 'c')")
                with pytest.raises(psycopg.errors.SerializationFailure):
                    loser.commit()
            one.execute("SELECT 1")
            two.execute("INSERT INTO code (id, n) VALUES (5, 500)")
            two.commit()
            one.execute("INSERT INTO code (id, n) VALUES (6, 500)")
            with pytest.raises(psycopg.errors.SerializationFailure):
                one.commit()
        assert admin.execute("SELECT n, d, twice FROM code WHERE id = 1").fetchone() == (12, 3, 24)


def test_a_function_cannot_change_who_one_is(cluster: Cluster) -> None:
    with cluster.connect() as admin:
        for body in (
            "SET SESSION AUTHORIZATION postgres",
            "RESET ALL; SET ROLE postgres",
            "CREATE ROLE mine",
        ):
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                admin.execute(f"CREATE FUNCTION escape() RETURNS void LANGUAGE sql AS $$ {body} $$")
        assert admin.execute("SELECT current_user, session_user").fetchone() == ("admin", "admin")


def test_a_role_that_owns_nothing_more_can_be_dropped(cluster: Cluster) -> None:
    """The engine's function that runs code as the role does not keep it; before that it is made again when needed."""
    identity = "arn:aws:iam::000000000000:role/maker"
    token = cluster.token(cluster.credentials(identity, "dsql:DbConnect"), "DbConnect")
    with cluster.connect() as admin:
        admin.execute("CREATE ROLE maker WITH LOGIN")
        admin.execute(f"AWS IAM GRANT maker TO '{identity}'")
        admin.execute("CREATE SCHEMA made")
        admin.execute("GRANT CREATE, USAGE ON SCHEMA made TO maker")
        makers = [cluster.connect(user="maker", password=token) for _ in range(2)]
        with makers[0] as maker, makers[1] as other:
            maker.execute(
                "CREATE FUNCTION made.positive(n int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT n > 0'"
            )
            maker.execute("CREATE TABLE made.t (id int PRIMARY KEY, n int CHECK (made.positive(n)))")
            maker.execute("INSERT INTO made.t VALUES (1, 1)")
            for number in (2, 3):
                maker.execute("BEGIN")
                maker.execute("UPDATE made.t SET n = %s", (number,))
                with other.transaction(force_rollback=True):
                    other.execute("UPDATE made.t SET n = 9")
                with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=r"made\.t") as refused:
                    admin.execute("DROP ROLE maker")
                assert "as_" not in str(refused.value)
                assert maker.execute("SELECT n FROM made.t").fetchone() == (number,)
                maker.execute("COMMIT")
        admin.execute("DROP TABLE made.t")
        admin.execute("DROP FUNCTION made.positive(int)")
        admin.execute("DROP SCHEMA made")
        admin.execute(f"AWS IAM REVOKE maker FROM '{identity}'")
        admin.execute("DROP ROLE maker")


@pytest.mark.parametrize("parameter", [(), (1,)], ids=["simple", "extended"])
@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a transaction"])
def test_a_client_may_drop_all_prepared_statements(
    cluster: Cluster, parameter: tuple[int, ...], *, block: bool
) -> None:
    """Those of the engine are among them, and are prepared again."""
    where = "WHERE id = %s" if parameter else "WHERE id = 1"
    with cluster.connect() as client, cluster.connect() as other:
        client.execute("CREATE TABLE deallocated (id int PRIMARY KEY, n int)")
        client.execute("INSERT INTO deallocated VALUES (1, 0)")
        for _ in range(2):
            client.execute("BEGIN")
            client.execute(f"UPDATE deallocated SET n = n + 1 {where}", parameter)
            if block:
                client.execute("DEALLOCATE ALL")
            client.execute(f"UPDATE deallocated SET n = n + 1 {where}", parameter)
            client.execute("COMMIT")
            if not block:
                client.execute("DEALLOCATE ALL")
            client.execute(f"UPDATE deallocated SET n = n + 1 {where}", parameter)
            assert other.execute(f"UPDATE deallocated SET n = n + 1 {where}", parameter).rowcount == 1
        assert client.execute("SELECT n FROM deallocated").fetchone() == (8,)
        client.execute("DROP TABLE deallocated")
