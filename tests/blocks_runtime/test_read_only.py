"""Statements that are retried after a lost reply: the obviously read-only ones, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import DistributedDatabase, errors, sql
from blocks_runtime.database.read_only import is_read_only
from tests.support.relay import Direction

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from local_dsql import LocalCluster
    from tests.support.relay import Relay

READS = (
    "SELECT 1",
    "select * from items where id = {one}",
    "  SELECT count(*) FILTER (WHERE n > 0), coalesce(max (n), 0) FROM items;",
    "SELECT n FROM items WHERE id IN (1, 2) AND id = ANY({one}) ORDER BY lower(name) -- newest (first); please\n",
    "SELECT 'DELETE; f(1)', \"odd ; name\", $$;$$, E'\\';' FROM items /* ; EXPLAIN ANALYZE */",
    "SELECT CAST({one} AS numeric(12, 2)), row_number() OVER (PARTITION BY n) FROM items",
    "SELECT id FROM items FOR UPDATE",
    "VALUES (1), (2)",
    "TABLE items",
    "SHOW transaction_isolation",
    "EXPLAIN UPDATE items SET n = 1",
    "EXPLAIN (VERBOSE, FORMAT JSON) SELECT 1",
)
MAY_WRITE = (
    "",
    "-- nothing",
    "UPDATE items SET n = 1",
    "WITH gone AS (DELETE FROM items RETURNING *) SELECT * FROM gone",
    "SELECT 1; UPDATE items SET n = 1",
    "SELECT '{{'; UPDATE items SET n = 1",
    "EXPLAIN ANALYZE UPDATE items SET n = 1",
    "EXPLAIN (COSTS false, ANALYSE) DELETE FROM items",
    "SELECT bump(1)",
    "SELECT app.bump(1)",
    "SELECT app.count(1)",
    'SELECT "bump" (1)',
    "SELECT bump/* now */(1)",
    "SELECT * FROM bump({one})",
    "SELECT nextval('numbers')",
)


@pytest.mark.parametrize("text", READS)
def test_obviously_read_only(text: str) -> None:
    assert is_read_only(_statement(text))


@pytest.mark.parametrize("text", MAY_WRITE)
def test_may_write(text: str) -> None:
    assert not is_read_only(_statement(text))


def _statement(text: str) -> Sql:
    return sql(text, one=1) if "{one}" in text else sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; UPDATE items SET n = n + 1 WHERE id = 1",
        "EXPLAIN ANALYZE UPDATE items SET n = n + 1 WHERE id = 1",
        "SELECT bump()",
    ],
)
def test_a_write_that_looks_like_a_read_is_not_retried(wire: Relay, cluster: LocalCluster, text: str) -> None:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE OR REPLACE FUNCTION bump() RETURNS void LANGUAGE sql AS "
            "'UPDATE items SET n = n + 1 WHERE id = 1'"
        )
    with DistributedDatabase("main") as db:
        db.warm_up()
        wire.lose_next(Direction.ANSWER)
        with pytest.raises(errors.CommitOutcomeUnknown):
            db.query(_statement(text))
        assert db.query(sql("SELECT n FROM items WHERE id = 1"), tuple) in ([(100,)], [(101,)])
