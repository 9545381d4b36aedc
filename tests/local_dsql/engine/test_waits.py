"""No statement waits for another transaction, whatever it is and whatever is in its way."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory

pytestmark = pytest.mark.slow  # bounds in milliseconds, which need a machine with nothing else to do


MOST = 0.25
"""Seconds that a statement may take because of another transaction."""

SETUP = (
    "create table t(id int primary key, n int)",
    "insert into t values (1, 0), (2, 0)",
    "create function bump(r t) returns int language sql as 'update t set n = n + 10 where id = r.id returning n'",
    "create function checks(i int) returns boolean language sql as"
    " 'update t set n = n + 100 where id = i returning true'",
    "create domain checked as int check (checks(value))",
    "create table copied(id int primary key, v text)",
    "create view v as select * from t",
    "create table parent(id int primary key)",
    "create table child(id int primary key, p int references parent on delete cascade)",
    "insert into parent values (1), (2)",
    "insert into child values (1, 1)",
)

BLOCKED = {
    "update": ("update t set n = 1", "update t set n = 2", None),
    "functional notation": ("select x.bump from t x", "select x.bump from t x", None),
    "check of a domain": ("select 1::checked", "select 1::checked", None),
    "view": ("update v set n = 3", "delete from v", None),
    "for update in a subquery": (
        "update t set n = 1",
        "select (select n from t where id = 1 for update)",
        None,
    ),
    "explain analyze": ("update t set n = 1", "explain analyze update t set n = n + 1", None),
    "copy, same key": ("insert into copied values (1, 'a')", "copy copied from stdin", b"1\tb\n"),
    "copy behind alter table": (
        "alter table copied add column z int",
        "copy copied (id, v) from stdin",
        b"1\tb\n",
    ),
    "lock table": ("update t set n = 1", "lock table t in access exclusive mode", None),
    "alter table behind a reader": ("select * from t", "alter table t add column z int", None),
    "create index behind a writer": ("update t set n = 1", "create index i on t(n)", None),
    "create table with a reference": (
        "update parent set id = 5 where id = 2",
        "create table c2(id int, p int references parent)",
        None,
    ),
    "drop table behind a writer": ("update t set n = 1", "drop table t cascade", None),
    "cascade": ("update child set id = 5", "delete from parent where id = 1", None),
    "child behind a deleted parent": (
        "delete from parent where id = 2",
        "insert into child values (7, 2)",
        None,
    ),
    "same unique key": ("insert into parent values (9)", "insert into parent values (9)", None),
    "select behind alter table": ("alter table t add column z int", "select * from t", None),
}


@pytest.mark.parametrize("kind", BLOCKED)
def test_an_idle_transaction_blocks_nothing(laboratory: Laboratory, kind: str) -> None:
    first, second, copied = BLOCKED[kind]

    async def run() -> list[float]:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(*SETUP)
        seconds = []
        for _ in range(5):
            await one.ok("begin", first)
            await other.ok("begin")
            reply = await other.run(second, None, copied)
            assert not reply.sqlstate, reply
            seconds.append(reply.seconds)
            await other.run("rollback")
            await one.run("rollback")
        return seconds

    assert max(laboratory.run(run())) < MOST


def test_writers_of_other_tables_do_not_wait_for_a_slow_update(laboratory: Laboratory) -> None:
    async def run() -> float:
        slow, *writers = [await laboratory.client() for _ in range(5)]
        for number in range(5):
            await slow.ok(
                f"create table w{number}(id int primary key, n int)", f"insert into w{number} values (1, 0)"
            )
        update = asyncio.ensure_future(slow.run("update w0 set n = 1 where pg_sleep(1) is not null"))

        async def write(client: Client, table: int) -> float:
            longest = 0.0
            while not update.done():
                longest = max(longest, (await client.run(f"update w{table} set n = n + 1")).seconds)
            return longest

        longest = await asyncio.gather(*(write(client, table) for table, client in enumerate(writers, 1)))
        assert not (await update).sqlstate
        return max(longest)

    assert min(laboratory.run(run()) for _ in range(1)) < MOST


def test_a_writer_of_the_same_row_does_not_wait_for_a_statement_that_runs(laboratory: Laboratory) -> None:
    async def run() -> None:
        slow, writer = await laboratory.client(), await laboratory.client()
        await slow.ok("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
        for opening in ((), ("begin",)):
            await slow.ok(*opening)
            update = asyncio.ensure_future(
                slow.run("update t set n = n + 1 where id = 1 or pg_sleep(1) is not null")
            )
            await asyncio.sleep(0.1)
            reply = await writer.run("update t set n = n + 10 where id = 1")
            assert not reply.sqlstate
            assert reply.seconds < MOST
            assert not (await update).sqlstate
            if opening:
                assert (await slow.run("commit")).sqlstate == "40001"

    laboratory.run(run())


def test_a_slow_statement_comes_to_its_end_beside_writers_of_its_row(laboratory: Laboratory) -> None:
    """It is cancelled three times and then left alone; a writer waits for its end at most."""
    duration = 0.4

    async def run() -> tuple[float, float]:
        slow, writer = await laboratory.client(), await laboratory.client()
        await slow.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        update = asyncio.ensure_future(
            slow.run(f"with u as (update t set n = n + 1 returning n) select pg_sleep({duration}) from u")
        )
        longest = 0.0
        while not update.done():
            longest = max(longest, (await writer.run("update t set n = n + 1 where id = 1")).seconds)
        reply = await update
        assert not reply.sqlstate, reply
        return reply.seconds, longest

    took, longest = laboratory.run(run())
    assert took < 5 * duration
    assert longest < 2 * duration


def test_hot_rows_lose_nothing(laboratory: Laboratory) -> None:
    async def run() -> None:
        clients = [await laboratory.client() for _ in range(4)]
        await clients[0].ok(
            "create table hot(id int primary key, n int)",
            "insert into hot select i, 0 from generate_series(1, 4) i",
        )
        until = time.monotonic() + 2
        won, longest = 0, 0.0

        async def work(client: Client, seed: int) -> None:
            nonlocal won, longest
            r = random.Random(seed)
            while time.monotonic() < until:
                await client.ok("begin")
                for key in r.sample(range(1, 5), 2):
                    reply = await client.run(f"update hot set n = n + 1 where id = {key}")
                    assert not reply.sqlstate, reply
                    longest = max(longest, reply.seconds)
                reply = await client.run("commit")
                longest = max(longest, reply.seconds)
                assert reply.short in ("COMMIT", "40001"), reply
                won += not reply.sqlstate

        await asyncio.gather(*(work(client, seed) for seed, client in enumerate(clients)))
        (total,) = (await clients[0].run("select sum(n) from hot")).rows
        assert total == (str(2 * won),)
        assert won > 20
        assert longest < 2 * MOST  # four clients on one event loop, and whatever else runs here

    laboratory.run(run())
