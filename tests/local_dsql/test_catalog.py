"""The catalog of a new database: refusals that only the catalog can decide, functions and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from dsql_dialect.rules.settings import SETTABLE
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import LiteralString


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("catalog"), dialect="2026-09") as running:
        yield running


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[psycopg.Connection]:
    cluster.reset()
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        yield connection


KEYS = {
    "ALTER TABLE t DROP CONSTRAINT t_pkey": "unsupported ALTER TABLE DROP CONSTRAINT statement",
    "ALTER TABLE t DROP CONSTRAINT IF EXISTS t_pkey CASCADE": "unsupported ALTER TABLE DROP CONSTRAINT statement",
    "ALTER TABLE t DROP COLUMN id": "cannot drop primary key column id",
}


@pytest.mark.parametrize(("sql", "message"), KEYS.items())
def test_a_primary_key_stays(client: psycopg.Connection, sql: LiteralString, message: str) -> None:
    client.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    with pytest.raises(psycopg.errors.FeatureNotSupported) as refused:
        client.execute(sql)
    assert refused.value.diag.message_primary == message
    client.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        client.execute("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t DROP CONSTRAINT t_v_check",
        "ALTER TABLE t DROP CONSTRAINT t_v_key",
        "ALTER TABLE t DROP CONSTRAINT IF EXISTS nowhere",
        "ALTER TABLE t DROP COLUMN v",
        "DROP TABLE t",
        "DROP SCHEMA s CASCADE",
    ],
)
def test_everything_else_can_be_dropped(client: psycopg.Connection, sql: LiteralString) -> None:
    client.execute("CREATE SCHEMA s")
    client.execute("CREATE TABLE s.u (id int PRIMARY KEY)")
    client.execute("CREATE TABLE t (id bigint PRIMARY KEY, v int CHECK (v > 0) UNIQUE)")
    client.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a PARTITION OF b (c DEFAULT 1) FOR VALUES FROM (1) TO (2)",
        "CREATE TABLE a OF t (c WITH OPTIONS DEFAULT 1)",
    ],
)
def test_a_column_without_a_type_is_refused_and_the_connection_stays(
    client: psycopg.Connection, sql: LiteralString
) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="OF clause not supported"):
        client.execute(sql)
    assert client.execute("SELECT 1").fetchall() == [(1,)]


def test_a_session_has_one_id(cluster: LocalCluster, client: psycopg.Connection) -> None:
    ids = {client.execute("SELECT sys.current_session_id()").fetchall()[0] for _ in range(3)}
    with psycopg.connect(cluster.dsn(), autocommit=True) as another:
        ids |= {another.execute("SELECT sys.current_session_id()").fetchall()[0]}
    assert len(ids) == 2


VALUES = {
    "application_name": "x",
    "client_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "extra_float_digits": "1",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "search_path": "public",
    "dsql.enable_batched_nestloop": "on",
    "disable_sync_create_index": "off",
}


@pytest.mark.parametrize("name", sorted(SETTABLE))
def test_a_parameter_that_the_dialect_accepts_is_known(client: psycopg.Connection, name: str) -> None:
    client.execute(f"SET {name} = '{VALUES[name]}'")
    assert len(client.execute(f"SHOW {name}").fetchall()) == 1


@pytest.mark.parametrize("prepare", [False, True])
def test_a_parameter_that_postgresql_has_under_another_name(
    cluster: LocalCluster, client: psycopg.Connection, prepare: bool
) -> None:
    """It is set and shown like any other, in transactions and when these are suspended."""

    def shown() -> list[str]:
        cursor = client.execute("SHOW disable_sync_create_index", prepare=prepare)
        assert cursor.description is not None
        assert cursor.description[0].name == "disable_sync_create_index"
        assert cursor.statusmessage == "SHOW"
        by_function = client.execute("SELECT current_setting('disable_sync_create_index')").fetchall()
        rows = cursor.fetchall()
        assert rows == by_function
        return [value for (value,) in rows]

    client.execute("CREATE TABLE t (id bigint PRIMARY KEY, n int)")
    client.execute("INSERT INTO t VALUES (1, 1)")
    assert shown() == ["on"]
    assert client.execute("SET disable_sync_create_index = off", prepare=prepare).statusmessage == "SET"
    assert shown() == ["off"]
    client.execute('RESET "disable_sync_create_index"', prepare=prepare)
    assert shown() == ["on"]
    with client.transaction(force_rollback=True):
        client.execute("SET SESSION Disable_Sync_Create_Index TO off")
        assert shown() == ["off"]
    assert shown() == ["on"]
    with client.transaction(), psycopg.connect(cluster.dsn(), autocommit=True) as another:
        client.execute("SET LOCAL disable_sync_create_index = off", prepare=prepare)
        client.execute("UPDATE t SET n = 2")
        with another.transaction(force_rollback=True):
            another.execute("UPDATE t SET n = 3")  # suspends the first transaction
        assert shown() == ["off"]
    assert shown() == ["on"]
    client.execute("SELECT set_config('disable_sync_create_index', 'off', false)")
    assert shown() == ["off"]


def test_set_config_sets_what_set_may_set(client: psycopg.Connection) -> None:
    for name, value in (
        ("search_path", "public"),
        ("dsql.enable_batched_nestloop", "off"),
        ("enable_sort", "off"),
    ):
        assert client.execute("SELECT set_config(%s, %s, false)", (name, value)).fetchall() == [(value,)]
    with pytest.raises(psycopg.errors.FeatureNotSupported, match='setting configuration parameter "jit"'):
        client.execute("SELECT set_config(%s, 'off', false)", ("jit",))


def test_prepared_statements_are_those_of_the_session(
    cluster: LocalCluster, client: psycopg.Connection
) -> None:
    """AWS's adapters read them; those that the engine prepares are no client's."""
    client.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    client.execute("SELECT id FROM t WHERE id = %s", (1,), prepare=True)
    with client.transaction():
        client.execute("INSERT INTO t VALUES (1)")
        client.execute("SELECT 1")
        mine = client.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert mine == [("SELECT id FROM t WHERE id = $1",)]
    with psycopg.connect(cluster.dsn(), autocommit=True) as another:
        assert another.execute("SELECT name FROM pg_prepared_statements").fetchall() == []


def test_no_extension_is_available(client: psycopg.Connection) -> None:
    assert client.execute("SELECT name FROM pg_available_extensions").fetchall() == []


def test_a_search_path_of_a_role_holds_from_the_next_login(
    cluster: LocalCluster, client: psycopg.Connection
) -> None:
    before = client.execute("SHOW search_path").fetchall()
    client.execute("ALTER USER admin SET search_path = public")
    assert client.execute("SHOW search_path").fetchall() == before
    with psycopg.connect(cluster.dsn(), autocommit=True) as another:
        assert another.execute("SHOW search_path").fetchall() == [("public",)]
    client.execute("ALTER USER admin RESET search_path")


CALLS_OF_OUR_FUNCTIONS: list[LiteralString] = [
    "ALTER TABLE t DROP COLUMN id",
    "ALTER TABLE t DROP CONSTRAINT t_pkey",
    "SELECT current_setting('nothing')",
    "SELECT current_setting(n) FROM (VALUES ('nothing')) v (n)",
    "SELECT set_config(n, 'off', false) FROM (VALUES ('jit')) v (n)",
    "SELECT sys.base32_str_to_uuid('x')",
    "SELECT sys.base32_str_to_uuid(s) FROM (VALUES ('x')) v (s)",
    "CALL sys.wait_for_job('x')",
]


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("sql", CALLS_OF_OUR_FUNCTIONS)
def test_an_error_does_not_show_our_functions(
    client: psycopg.Connection, sql: LiteralString, prepare: bool
) -> None:
    client.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    with pytest.raises(psycopg.Error) as raised:
        client.execute(sql, prepare=prepare)
    assert raised.value.diag.context is None


def test_an_error_shows_the_functions_of_the_client(client: psycopg.Connection) -> None:
    client.execute(
        "CREATE FUNCTION mine(s text) RETURNS uuid LANGUAGE sql AS 'SELECT sys.base32_str_to_uuid(s)'"
    )
    with pytest.raises(psycopg.errors.InvalidTextRepresentation) as raised:
        client.execute("SELECT mine('x')")
    assert raised.value.diag.context == 'SQL function "mine" during inlining'
