"""Statements that are retried after a lost reply: the obviously read-only ones, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import DistributedDatabase, errors, sql
from blocks_runtime.database.plan_advice import facts_query
from blocks_runtime.database.plans import plan
from blocks_runtime.database.read_only import is_read_only, may_commit_in_parts
from blocks_runtime.database.table_shapes import shape_query
from local_dsql import LocalCluster
from tests.blocks_runtime.conftest import with_role
from tests.support.relay import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_runtime import Sql
    from tests.support.relay import Relay


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster as the runtime's other tests have it, which knows views."""
    folder = tmp_path_factory.mktemp("read-only") / "cluster"
    with with_role(LocalCluster(folder, dialect="2026-09")) as started:
        yield started


READS = (
    "SELECT 1",
    "select * from items where id = {one}",
    "  SELECT count(*) FILTER (WHERE n > 0), coalesce(max (n), 0) FROM items;",
    "SELECT n FROM items WHERE id IN (1, 2) AND id = ANY({one}) ORDER BY lower(name) -- newest (first); please\n",
    "SELECT 'DELETE; f(1)', \"odd ; name\", $$;$$, E'\\';' FROM items /* ; EXPLAIN ANALYZE */",
    "SELECT CAST({one} AS numeric(12, 2)), row_number() OVER (PARTITION BY n) FROM items",
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
    "SELECT 1 --\r, bump(1)",
    "SELECT id FROM items FOR UPDATE",
    "SELECT id FROM items FOR NO KEY UPDATE",
    "SELECT id FROM items FOR KEY SHARE",
)


@pytest.mark.parametrize("text", READS)
def test_obviously_read_only(text: str) -> None:
    assert is_read_only(_statement(text))


@pytest.mark.parametrize("text", MAY_WRITE)
def test_may_write(text: str) -> None:
    assert not is_read_only(_statement(text))


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("CALL p()", True),
        ("; /* a */ ; CALL p()", True),
        ("DO $$ BEGIN CALL p(); END $$", True),
        ("DO 'BEGIN commit; END'", True),
        ("DO $$ BEGIN UPDATE t SET n = n + 1; END $$", False),
        (" -- x\n/* y */ call app.p({one})", True),
        ("SELECT 'CALL p()'", False),
        ("UPDATE items SET n = 1 -- CALL", False),
        ("CALLED", False),
    ],
)
def test_a_call_may_commit_before_it_fails(text: str, may: bool) -> None:
    assert may_commit_in_parts(_statement(text)) == may


OWN = {
    "columns of a table": shape_query(sql.identifier("app", "items")),
    "tables of a plan": facts_query(plan(["Seq Scan on public.items  (cost=0.00..1.00 rows=1 width=4)"])),
}


@pytest.mark.parametrize("statement", OWN.values(), ids=OWN)
def test_the_runtimes_own_queries_are_repeated(statement: Sql | None) -> None:
    """A lost reply to one of them is no unknown outcome."""
    assert statement is not None
    assert is_read_only(statement)


def _statement(text: str) -> Sql:
    return sql(text, one=1) if "{one}" in text else sql(text)


WRITES_ON_THE_SLY = (
    "CREATE OR REPLACE FUNCTION raised() RETURNS int LANGUAGE sql AS"
    " 'UPDATE items SET n = n + 1 WHERE id = 1 RETURNING n'",
    "CREATE OR REPLACE FUNCTION paid(items) RETURNS int LANGUAGE sql AS"
    " 'UPDATE items SET n = n + 1 WHERE id = 1 RETURNING n'",
    "CREATE OR REPLACE VIEW bumped AS SELECT raised() AS n",
    "GRANT SELECT ON bumped TO app",
)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT n FROM bumped",
        "TABLE bumped",
        "SELECT i.paid FROM items i WHERE id = 1",
        "SELECT 1 --\r, bump()",
    ],
)
def test_a_read_that_writes_is_never_applied_twice(wire: Relay, cluster: LocalCluster, text: str) -> None:
    """By a function in a view, by functional notation, behind a comment that a carriage return ends."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        for sql_text in WRITES_ON_THE_SLY:
            admin.execute(sql_text.encode())
    with DistributedDatabase("main") as db:
        db.warm_up()
        wire.lose_next(Direction.ANSWER)
        with pytest.raises(errors.CommitOutcomeUnknown, match="may or may not have taken effect"):
            db.query(sql(text))
        assert db.query(sql("SELECT n FROM items WHERE id = 1"), tuple) in ([(100,)], [(101,)])


def test_a_read_is_sent_again_as_read_only_alone(wire: Relay) -> None:
    """The connection that the second run used is as before."""
    with DistributedDatabase("main", max_connections=1) as db:
        db.warm_up()
        wire.lose_next(Direction.ANSWER)
        assert db.query(sql("SELECT n FROM items WHERE id = 1"), tuple) == [(100,)]
        assert db.execute(sql("UPDATE items SET n = 1 WHERE id = 1")) == 1


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
