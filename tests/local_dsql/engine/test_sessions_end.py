"""Clients that are cut off, and backends that are killed, leave nothing in anybody's way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Laboratory


def test_a_client_that_leaves_is_rolled_back(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await one.ok("begin", "update t set n = 1")
        await laboratory.leave(one)
        reply = await other.run("update t set n = n + 10 returning n")
        assert reply.rows == [("10",)]
        assert reply.seconds < 0.25

    laboratory.run(run())


def test_a_client_that_leaves_in_the_middle_of_a_statement(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await one.ok("begin")
        running = asyncio.ensure_future(one.run("update t set n = 1 where pg_sleep(30) is null"))
        await asyncio.sleep(0.05)
        await laboratory.leave(one)
        reply = await other.run("update t set n = n + 10 returning n")
        assert reply.rows == [("10",)]
        assert reply.seconds < 0.5
        with pytest.raises(ConnectionLost):
            await running

    laboratory.run(run())


def test_a_backend_that_is_killed_while_it_is_suspended(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await one.ok("begin", "update t set n = 1")
        superuser = await laboratory.server.connect("postgres")
        blocked = asyncio.ensure_future(other.run("update t set n = n + 10 returning n"))
        await superuser.rows(f"select pg_terminate_backend({one.session.backend.pid})")
        superuser.close()
        assert (await blocked).rows == [("10",)]
        with pytest.raises(ConnectionLost):
            await one.run("select 1")

    laboratory.run(run())


@pytest.mark.slow
def test_limits_of_rows_and_bytes(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, v text)")
        fill = "insert into t select i, '' from generate_series(1, {}) i"
        assert (await one.run(fill.format(3001))).sqlstate == "54000"
        await one.ok(fill.format(3000), "begin")
        await one.ok("with d as (delete from t returning 1) select count(*) from d")
        assert (await one.run("insert into t values (0, '')")).sqlstate == "54000"
        await one.ok("rollback", "begin", "delete from t where id <= 1500")
        await other.ok("begin", "update t set v = 'x' where id = 1", "rollback")
        await one.ok("with d as (delete from t where id <= 2999 returning 1) select count(*) from d")
        assert (await one.run("delete from t where id = 3000")).short == "DELETE 1"
        assert (await one.run("insert into t values (0, '')")).sqlstate == "54000"
        await one.ok("rollback", "begin")
        large = (
            "update t set v = (select string_agg(md5((i * id)::text), '') from generate_series(1, 40000) i)"
        )
        await one.ok(f"{large} where id <= 9")
        assert (await one.run("commit")).sqlstate == "54000"
        assert (await one.run(f"{large} where id <= 9")).sqlstate == "54000"
        await one.ok(f"{large} where id <= 6")

    laboratory.run(run(), timeout=60)
