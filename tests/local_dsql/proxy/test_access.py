"""Login: which identities may log in as which role, and what they cannot access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

APP = "arn:aws:iam::000000000000:role/app"


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        rows = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'app'").fetchall()
        if not rows:
            connection.execute("CREATE ROLE app WITH LOGIN")
        yield connection
        connection.execute(f"AWS IAM REVOKE app FROM '{APP}'")


def app(cluster: Cluster, **options: Any) -> psycopg.Connection[Any]:
    """Connect as the role `app` with the identity of the same name."""
    token = cluster.token(cluster.credentials(APP, "dsql:DbConnect"), "DbConnect")
    return cluster.connect(user="app", password=token, **options)


def test_a_role_needs_a_mapping(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """Refused before AWS IAM GRANT, let in after it, refused again after AWS IAM REVOKE."""
    with pytest.raises(psycopg.OperationalError, match="unable to accept connection, access denied"):
        app(cluster)
    admin.execute(f"AWS IAM GRANT app TO '{APP}'")
    row = admin.execute(
        "SELECT arn, pg_role_name, grantor_pg_role_name FROM sys.iam_pg_role_mappings"
    ).fetchone()
    assert row == (APP, "app", "admin")
    with app(cluster) as connection:
        assert connection.execute("SELECT current_user, session_user").fetchone() == ("app", "app")
    admin.execute(f"AWS IAM REVOKE app FROM '{APP}'")
    with pytest.raises(psycopg.OperationalError, match="AWS IAM GRANT app TO"):
        app(cluster)


REFUSED = [
    ("plain text", {"sslmode": "disable"}, "SSL is mandatory"),
    ("no token", {"password": "secret"}, "access denied"),
    ("wrong action", {"user": "app"}, "DbConnect"),
    ("no such role", {"user": "missing"}, "access denied"),
    ("superuser", {"user": "postgres"}, "access denied"),
    ("another database", {"dbname": "other"}, 'database "other" does not exist'),
    ("a setting that DSQL refuses", {"options": "-c statement_timeout=5"}, "statement_timeout"),
    ("a role in the options", {"options": "-c role=postgres"}, "role"),
    (
        "authorization in the options",
        {"options": "--session_authorization=postgres"},
        "session_authorization",
    ),
    ("replication", {"replication": "database"}, "replication"),
]


@pytest.mark.parametrize(
    ("options", "part"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_login_is_refused(cluster: Cluster, options: dict[str, Any], part: str) -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        cluster.connect(**options)
    assert part in str(raised.value)
    assert "X-Amz" not in str(raised.value)


def test_settings_that_dsql_takes(cluster: Cluster) -> None:
    with cluster.connect(
        options="-c TimeZone=Europe/Berlin -c search_path=public", application_name="a b"
    ) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("Europe/Berlin",)
        assert connection.execute("SHOW application_name").fetchone() == ("a b",)


OUT_OF_REACH = [
    "SET SESSION AUTHORIZATION postgres",
    "RESET SESSION AUTHORIZATION",
    "SET ROLE postgres",
    "SET session_replication_role = replica",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "SELECT set_config('session_replication_role', 'replica', true)",
    "UPDATE pg_settings SET setting = 'postgres' WHERE name = 'session_authorization'",
    "CREATE FUNCTION escape() RETURNS int LANGUAGE sql SET session_authorization = postgres AS 'SELECT 1'",
    "ALTER ROLE admin SET session_authorization = postgres",
    "SAVEPOINT mine",
    "ROLLBACK TO SAVEPOINT local_dsql",
    "RELEASE SAVEPOINT local_dsql",
    "SELECT * FROM local_dsql.job",
    "UPDATE sys.jobs SET status = 'completed'",
    "INSERT INTO sys.iam_pg_role_mappings (arn) VALUES ('mine')",
    "SELECT * FROM pg_locks",
    "SELECT * FROM pg_stat_activity",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT pg_advisory_lock(1)",
    "DISCARD ALL",
]


@pytest.mark.parametrize("sql", OUT_OF_REACH)
def test_out_of_reach(cluster: Cluster, sql: str) -> None:
    """The proxy's own objects can be neither read nor changed, inside or outside of a transaction."""
    with cluster.connect() as connection:
        for begin in ((), ("BEGIN",)):
            for statement in begin:
                connection.execute(statement)
            with pytest.raises(psycopg.Error):
                connection.execute(sql)
            connection.execute("ROLLBACK")
        assert connection.execute("SELECT current_user, session_user").fetchone() == ("admin", "admin")


def test_privileges_of_a_role(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """A role may use public and nothing in it, and cannot map identities."""
    admin.execute(f"AWS IAM GRANT app TO '{APP}'")
    admin.execute("CREATE TABLE IF NOT EXISTS guarded (id int PRIMARY KEY)")
    with app(cluster) as connection:
        for sql in (
            "SELECT * FROM guarded",
            "CREATE TABLE mine (id int)",
            "CREATE SCHEMA mine",
            f"AWS IAM GRANT app TO '{APP}2'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)


def test_a_role_that_may_only_insert_conflicts_like_any_other(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    """Its changes are parked and brought back although it could not read them itself."""
    admin.execute(f"AWS IAM GRANT app TO '{APP}'")
    admin.execute("DROP TABLE IF EXISTS inbox")
    admin.execute("CREATE TABLE inbox (id int PRIMARY KEY, v text)")
    admin.execute("GRANT INSERT ON inbox TO app")
    with app(cluster, autocommit=False) as first, app(cluster, autocommit=False) as second:
        first.execute("INSERT INTO inbox VALUES (1, 'first')")
        second.execute("INSERT INTO inbox VALUES (1, 'second')")
        first.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            second.commit()
    assert admin.execute("SELECT v FROM inbox").fetchall() == [("first",)]


def test_regions_are_endpoints_of_one_database(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """A token is good for its Region; a conflict crosses Regions; a Region can go away and come back."""
    port = cluster.listen("us-east-2")
    there: dict[str, Any] = {"port": port, "password": cluster.token(region="us-east-2")}
    admin.execute("CREATE TABLE IF NOT EXISTS everywhere (id int PRIMARY KEY, v text)")
    admin.execute("DELETE FROM everywhere")
    with pytest.raises(psycopg.OperationalError, match="access denied"):
        cluster.connect(port=port)
    with cluster.connect(autocommit=False) as here, cluster.connect(autocommit=False, **there) as other:
        here.execute("INSERT INTO everywhere VALUES (1, 'here')")
        other.execute("INSERT INTO everywhere VALUES (1, 'there')")
        other.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            here.commit()
        cluster.run(cluster.proxy.stop_region("us-east-2"))
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        cluster.connect(**there)
    cluster.run(cluster.proxy.listen("us-east-2", cluster.ports["us-east-2"]))
    with cluster.connect(**there) as again:
        assert again.execute("SELECT v FROM everywhere").fetchall() == [("there",)]


def test_what_is_said_of_other_sessions_is_out_of_reach(cluster: Cluster) -> None:
    """Large objects, messages and SQL in strings are refused too: the proxy could not check them."""
    with cluster.connect() as connection:
        for call in (
            "* FROM pg_lock_status()",
            "* FROM pg_stat_get_activity(NULL)",
            "pg_notify('a', 'b')",
            "lo_from_bytea(0, 'a')",
            "lo_create(0)",
            "pg_logical_emit_message(true, 'a', 'b')",
            "query_to_xml('SELECT 1', true, true, '')",
            "* FROM ts_stat('SELECT to_tsvector(''a'')')",
            "pg_export_snapshot()",
            "1; CREATE VIEW pg_temp.v AS SELECT 1",
            "1; CREATE DOMAIN pg_temp.text AS int",
            "1; CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql RETURN 1",
            "postgres_set_config('session_authorization', 'postgres', false)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT {call}")
