"""Parameters of the session that a statement sets: the next user of the pool has the default settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors, sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_runtime import Sql
    from local_dsql import LocalCluster

    Run = Callable[[DistributedDatabase, Sql], object]

PATH = sql("SELECT set_config('search_path', 'pg_catalog', false)")
SETS = {
    "SET": sql("SET search_path = pg_catalog"),
    "SET TIME ZONE": sql("/* ; */ ; SET TIME ZONE 'Asia/Tokyo'"),
    "RESET": sql("RESET search_path"),
    "set_config()": PATH,
    "in another case": sql("SELECT Set_Config('search_path', 'pg_catalog', false)"),
    "quoted": sql("SELECT \"set_config\"('search_path', 'pg_catalog', false)"),
    "with escapes": sql("SELECT U&\"set\\005fconfig\"('search_path', 'pg_catalog', false)"),
    "in lower case with escapes": sql("SELECT u&\"s\\0065t_config\"('search_path', 'pg_catalog', false)"),
    "by a function, a reported parameter": sql("SELECT set_zone('Asia/Tokyo')"),
}
KEEPS = {
    "a look-up": sql("SELECT n FROM items WHERE id = 1"),
    "SHOW": sql("SHOW search_path"),
    "a name that contains the word": sql("SELECT n AS reset FROM items"),
    "a function": sql("SELECT lower('SET'), set_zone('UTC')"),
}
WAYS: dict[str, Run] = {
    "query": lambda db, statement: db.execute(statement),
    "stream": lambda db, statement: _streamed(db, statement),
    "query in a transaction": lambda db, statement: db.transaction(lambda tx: tx.execute(statement)),
    "stream in a transaction": lambda db, statement: db.transaction(
        lambda tx: [*tx.stream(statement)] if statement.text.startswith("SELECT") else tx.execute(statement)
    ),
}


def _streamed(db: DistributedDatabase, statement: Sql) -> None:
    try:
        list(db.stream(statement))
    except errors.QueryFailed:  # SET returns no rows, and has taken effect
        assert not statement.text.startswith("SELECT")


@pytest.fixture(autouse=True)
def function_that_sets(function: None, cluster: LocalCluster) -> Iterator[None]:
    """A function whose call does not show that it sets a parameter."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE OR REPLACE FUNCTION set_zone(zone text) RETURNS text LANGUAGE sql AS "
            "'SELECT set_config(''TimeZone'', zone, false)'"
        )
        yield


@pytest.mark.parametrize("run", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("statement", SETS.values(), ids=SETS)
def test_the_next_user_has_the_default_settings(db: DistributedDatabase, statement: Sql, run: Run) -> None:
    run(db, statement)
    assert db.stats.open == 0
    assert db.query_one(
        sql("SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS zone")
    ) == {
        "path": '"$user", public',
        "zone": "UTC",
    }


@pytest.mark.parametrize("run", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("statement", KEEPS.values(), ids=KEEPS)
def test_another_statement_keeps_the_connection(db: DistributedDatabase, statement: Sql, run: Run) -> None:
    for _ in range(2):
        run(db, statement)
    assert (db.stats.connects, db.stats.idle) == (1, 1)


def test_a_local_parameter_keeps_the_connection(db: DistributedDatabase) -> None:
    db.transaction(lambda tx: tx.execute(sql("SET LOCAL search_path = pg_catalog")))
    assert db.query_value(sql("SHOW search_path")) == '"$user", public'
    assert db.stats.connects == 1


def test_a_parameter_is_valid_until_the_end_of_the_transaction(db: DistributedDatabase) -> None:
    assert (
        db.transaction(lambda tx: [[*tx.stream(PATH)], tx.query_value(sql("SHOW search_path"))][1])
        == "pg_catalog"
    )


def test_with_tasks(function: None) -> None:
    async def scene() -> object:
        async with AsyncDistributedDatabase("main", max_connections=1) as db:
            async for _ in db.stream(PATH):
                pass
            return await db.query_value(sql("SHOW search_path"))

    assert asyncio.run(scene()) == '"$user", public'
