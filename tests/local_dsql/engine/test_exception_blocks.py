"""EXCEPTION blocks of PL/pgSQL: subtransactions that PostgreSQL releases, and rolls back, within a statement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory

MOST = 0.25
SETUP = (
    "create table t(id int primary key, n int)",
    "insert into t values (1, 0), (2, 0), (3, 0)",
    "create table p(id int primary key)",
    "create table c(id int primary key, p int references p on delete cascade)",
    "insert into p values (1), (2)",
)
FUNCTIONS = """
CREATE FUNCTION add(key int, by int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        UPDATE t SET n = n + by WHERE id = key;
        BEGIN
            UPDATE t SET n = n + 100 WHERE id = key;
            RAISE EXCEPTION 'no';
        EXCEPTION WHEN raise_exception THEN
            UPDATE t SET n = n + 1 WHERE id = key;
        END;
    EXCEPTION WHEN division_by_zero THEN
        RAISE;
    END;
    RETURN (SELECT n FROM t WHERE id = key);
END $$;
CREATE FUNCTION add_slowly(key int, by int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add(key, by);
    PERFORM pg_sleep(0.5);
END $$;
CREATE FUNCTION adopt(child int, parent int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO c VALUES (child, parent);
EXCEPTION WHEN unique_violation THEN
    UPDATE c SET p = parent WHERE id = child;
END $$;
"""


async def prepare(laboratory: Laboratory) -> tuple[Client, Client]:
    """Return two clients; the functions are the superuser's, since the dialect has none with these blocks."""
    one, other = await laboratory.client(), await laboratory.client()
    await one.ok(*SETUP)
    superuser = await laboratory.server.connect("postgres")
    await superuser.rows(FUNCTIONS)
    superuser.close()
    return one, other


def test_what_released_blocks_have_changed_is_suspended_and_comes_back(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await prepare(laboratory)
        await one.ok("begin")
        assert (await one.run("select add(1, 10)")).rows == [("11",)]
        await one.ok("select adopt(1, 1)", "select adopt(1, 2)")
        for sql in ("update t set n = 5 where id = 1", "delete from c", "update p set id = 9 where id = 2"):
            await other.ok("begin")
            reply = await other.run(sql)
            assert not reply.sqlstate
            assert reply.seconds < MOST
            await other.ok("rollback")
        assert (await one.run("select n from t where id = 1")).rows == [("11",)]
        assert (await one.run("select add(1, 10)")).rows == [("22",)]
        await one.ok("commit")
        assert (await other.run("select n, p from t, c where t.id = 1")).rows == [("22", "2")]

    laboratory.run(run())


@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize(
    ("mine", "theirs", "end"),
    [
        ("select add(1, 1)", "update t set n = 7 where id = 1", "40001"),
        ("select add(1, 1)", "select add(1, 5)", "40001"),
        ("select add(1, 1)", "select add(2, 5)", "COMMIT"),
        ("select adopt(5, 1)", "delete from p where id = 1", "40001"),
        ("select adopt(5, 1)", "delete from p where id = 2", "COMMIT"),
    ],
)
def test_what_released_blocks_have_changed_conflicts(
    laboratory: Laboratory, block: bool, mine: str, theirs: str, end: str
) -> None:
    async def run() -> None:
        one, other = await prepare(laboratory)
        await one.ok("begin", mine)
        await other.ok(*["begin"] * block)
        reply = await other.run(theirs)
        assert not reply.sqlstate, reply
        assert reply.seconds < MOST
        await other.ok(*["commit"] * block)
        assert (await one.run("commit")).short == end

    laboratory.run(run())


@pytest.mark.parametrize("theirs", ["update t set n = 7 where id = 1", "select add(1, 5)"])
def test_a_statement_that_has_released_blocks_and_runs_on_is_not_waited_for(
    laboratory: Laboratory, theirs: str
) -> None:
    async def run() -> None:
        one, other = await prepare(laboratory)
        await one.ok("begin")
        slow = asyncio.ensure_future(one.run("select add_slowly(1, 1)"))
        await asyncio.sleep(0.1)
        reply = await other.run(theirs)
        assert not reply.sqlstate, reply
        assert reply.seconds < MOST
        assert not (await slow).sqlstate
        assert (await one.run("commit")).sqlstate == "40001"

    laboratory.run(run())
