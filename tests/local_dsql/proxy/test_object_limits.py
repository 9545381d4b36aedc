"""Limits of the number of objects: the last allowed one is created, the next one refused with DSQL's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        yield connection
        connection.execute("DROP TABLE IF EXISTS wide")
        for number in range(11):
            connection.execute(f"DROP SCHEMA IF EXISTS many_{number}")


def columns(number: int, of: str = "c{0} int") -> str:
    return ", ".join(of.format(each) for each in range(number))


def refused(connection: psycopg.Connection[Any], sql: str) -> tuple[str | None, str | None]:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(sql)
    assert raised.value.diag.message_hint
    return raised.value.sqlstate, raised.value.diag.message_primary


def test_columns_of_a_table(admin: psycopg.Connection[Any]) -> None:
    too_many = ("54011", "tables can have at most 255 columns")
    assert refused(admin, f"CREATE TABLE wide ({columns(256)})") == too_many
    admin.execute(f"CREATE TABLE wide ({columns(255)})")
    assert refused(admin, "ALTER TABLE wide ADD COLUMN more int") == too_many
    admin.execute("ALTER TABLE wide DROP COLUMN c7")
    admin.execute("ALTER TABLE wide ADD COLUMN more int")


def test_columns_of_a_key(admin: psycopg.Connection[Any]) -> None:
    too_many = ("54011", "more than 8 column keys in an index are not supported")
    names = columns(9, "c{0}")
    assert refused(admin, f"CREATE TABLE wide ({columns(9)}, PRIMARY KEY ({names}))") == too_many
    admin.execute(f"CREATE TABLE wide ({columns(9)}, PRIMARY KEY ({columns(8, 'c{0}')}) INCLUDE (c8))")
    assert refused(admin, f"CREATE INDEX ASYNC wide_all ON wide ({names})") == too_many


def test_indexes_of_a_table(admin: psycopg.Connection[Any]) -> None:
    """24, with those of the primary key and of unique constraints."""
    too_many = ("54000", "more than 24 indexes per table are not allowed")
    uniques = columns(24, "UNIQUE (c{0})")
    assert refused(admin, f"CREATE TABLE wide (id int PRIMARY KEY, {columns(24)}, {uniques})") == too_many
    admin.execute(f"CREATE TABLE wide (id int PRIMARY KEY, {columns(24)}, {columns(23, 'UNIQUE (c{0})')})")
    assert refused(admin, "CREATE INDEX ASYNC wide_more ON wide (c23)") == too_many


def test_statistics_of_a_table(admin: psycopg.Connection[Any]) -> None:
    admin.execute(f"CREATE TABLE wide ({columns(8)})")
    for number in range(5):
        admin.execute(f"CREATE STATISTICS wide_{number} ON c0, c{number + 1} FROM wide")
    assert refused(admin, "CREATE STATISTICS wide_5 ON c0, c6 FROM wide") == (
        "54000",
        "more than 5 extended statistics per table are not allowed",
    )


def test_schemas(admin: psycopg.Connection[Any]) -> None:
    """Ten, public and sys apart; those of other tests count."""
    (there,) = admin.execute(
        "SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'"
        " AND nspname NOT IN ('information_schema', 'public', 'sys', 'local_dsql')"
    ).fetchone() or (0,)
    for number in range(10 - there):
        admin.execute(f"CREATE SCHEMA many_{number}")
    assert refused(admin, "CREATE SCHEMA many_10") == ("54000", "more than 10 schemas not allowed")


@pytest.mark.parametrize(
    ("kind", "body", "text", "most"),
    [
        ("TABLE", "(id int)", "creating more than 1000 tables not allowed", 1000),
        ("VIEW", "AS SELECT 1 AS one", "creating more than 5000 views not allowed", 5000),
        ("SEQUENCE", "CACHE 1", "creating more than 5000 sequences is not allowed", 5000),
    ],
)
def test_tables_views_and_sequences(
    cluster: Cluster, admin: psycopg.Connection[Any], kind: str, body: str, text: str, most: int
) -> None:
    """All but a few are rows of the catalog alone, written without the proxy, and rolled back.

    Those that other tests have left, in any schema, count.
    """
    with cluster.direct() as direct:
        direct.execute(f"BEGIN; CREATE {kind} many_0 {body}")
        direct.execute(
            "INSERT INTO pg_class SELECT made.* FROM pg_class c, generate_series(1, %s - (SELECT count(*) FROM"
            " pg_class WHERE relnamespace <> ALL ('{pg_catalog,information_schema,pg_toast,sys,local_dsql}'"
            "::regnamespace[]) AND relkind = c.relkind)) n,"
            " jsonb_populate_record(c, jsonb_build_object('oid', c.oid::int + n, 'relname', 'many_' || n)) made"
            " WHERE c.relname = 'many_0'",
            (most - 1,),
        )
        direct.execute(f"CREATE {kind} last {body}")
        assert refused(direct, f"CREATE {kind} one_more {body}") == ("54000", text)
        direct.execute("ROLLBACK")
