"""Violations that the engine finds itself have the fields of PostgreSQL's own: text, DETAIL, constraint, table, schema.

Each case runs twice: PostgreSQL reports the violation first, and then the engine, because the transaction was
suspended, or because others have removed the row that the snapshot shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import psycopg
import pytest

from tests.local_dsql.proxy.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]

_TABLES = (
    'CREATE SCHEMA "S x"',
    'CREATE TABLE "S x"."P" (id int PRIMARY KEY, "c d" char(4) UNIQUE, n numeric UNIQUE)',
    'CREATE TABLE "S x".c (id int PRIMARY KEY, p int REFERENCES "S x"."P" DEFERRABLE INITIALLY DEFERRED,'
    ' pc char(4) REFERENCES "S x"."P" ("c d") DEFERRABLE INITIALLY DEFERRED, n numeric, m text, UNIQUE (p, pc))',
)
_INDEX = 'CREATE UNIQUE INDEX ASYNC c_m ON "S x".c (lower(m), n) NULLS NOT DISTINCT WHERE id > 0'
_ROWS = (
    'DELETE FROM "S x".c',
    'DELETE FROM "S x"."P"',
    """INSERT INTO "S x"."P" VALUES (1, 'a', 1.50), (2, 'b b', 2)""",
    """INSERT INTO "S x".c VALUES (1, 1, 'a', 1.0, 'M'), (2, 2, 'b b', NULL, NULL), (7, NULL, NULL, 7, 'row 7')""",
)
_OWN = 'UPDATE "S x".c SET n = 8 WHERE id = 7'
_DEFERRED = (
    'INSERT INTO "S x".c VALUES (3, 99, NULL, 3)',
    """INSERT INTO "S x".c VALUES (3, 1, 'zz', 3)""",
    'UPDATE "S x".c SET p = 99 WHERE id = 1',
    'DELETE FROM "S x"."P" WHERE id = 1',
    'UPDATE "S x"."P" SET id = 9 WHERE id = 1',
    """UPDATE "S x"."P" SET "c d" = 'z' WHERE id = 2""",
)
_DUPLICATES = (
    "INSERT INTO \"S x\".c VALUES (1, NULL, NULL, 3, 'new')",
    "INSERT INTO \"S x\".c VALUES (3, 1, 'a', 3, 'new')",
    "INSERT INTO \"S x\".c VALUES (3, NULL, NULL, 1.00, 'm')",
    "INSERT INTO \"S x\".c VALUES (4, NULL, NULL, 4, 'ok'), (1, 1, 'a', 1, 'm')",
    "INSERT INTO \"S x\".c VALUES (4, NULL, NULL, 4, 'ok'), (3, 1, 'a', 1, 'm'), (1, 1, 'a', 1, 'm')",
    'UPDATE "S x".c SET id = 1 WHERE id = 7',
    "UPDATE \"S x\".c SET m = 'm', n = 1 WHERE id = 7",
    "INSERT INTO \"S x\".c VALUES (2, 9, 'a', 3, 'new'), (1, 9, NULL, 3, 'x') ON CONFLICT (p, pc) DO NOTHING",
    "INSERT INTO \"S x\".c VALUES (3, 1, 'a', 3, 'new') ON CONFLICT (id) DO UPDATE SET n = 5 WHERE c.n > 100",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    running = Cluster("2026-11")
    with running.connect() as admin:
        for each in _TABLES:
            admin.execute(each)
        job = admin.execute(_INDEX).fetchone()
        admin.execute("CALL sys.wait_for_job(%s)", job)
    yield running
    running.close()


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[Connection]:
    with cluster.connect() as connected:
        yield connected


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Connection]:
    with cluster.connect() as connected:
        yield connected


def _restore(admin: Connection) -> None:
    for each in _ROWS:
        admin.execute(each)


def _fields(client: Connection, *statements: str) -> list[str | None]:
    """Return the fields of the error that statements give; the transaction has begun."""
    with pytest.raises(psycopg.Error) as failed:
        for each in statements:
            client.execute(each)
    client.execute("ROLLBACK")
    found = failed.value.diag
    names = [
        *("sqlstate", "message_primary", "message_detail", "message_hint", "severity"),
        *("schema_name", "table_name", "constraint_name"),
    ]
    return [getattr(found, each) for each in names]


@pytest.mark.parametrize("check", ["COMMIT", "SET CONSTRAINTS ALL IMMEDIATE"])
@pytest.mark.parametrize("statement", _DEFERRED)
def test_a_foreign_key_after_a_suspension(
    admin: Connection, client: Connection, statement: str, check: str
) -> None:
    _restore(admin)
    begin = ("BEGIN", _OWN)
    for each in begin:
        client.execute(each)
    expected = _fields(client, statement, check)
    for each in (*begin, statement):
        client.execute(each)
    with admin.transaction(force_rollback=True):
        admin.execute('SELECT FROM "S x".c WHERE id = 7 FOR UPDATE')
    assert _fields(client, check) == expected
    assert expected[0] == "23503"


@pytest.mark.parametrize("change", ["DELETE FROM", "UPDATE"])
@pytest.mark.parametrize("statement", _DUPLICATES)
def test_a_key_that_others_have_freed(
    admin: Connection, client: Connection, statement: str, change: str
) -> None:
    _restore(admin)
    begin = ("BEGIN", 'SELECT FROM "S x".c')
    for each in begin:
        client.execute(each)
    expected = _fields(client, statement)
    for each in begin:
        client.execute(each)
    changed = " SET id = -id, p = NULL, m = id" if change == "UPDATE" else ""
    admin.execute(f'{change} "S x".c{changed} WHERE id < 3')
    assert _fields(client, statement) == expected
    assert expected[0] == "23505"
