"""Clients that are cut off, and backends that are killed, block no other session."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from local_dsql.engine.turns import MANY
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory


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


def test_a_client_that_leaves_during_the_commit_of_ddl(laboratory: Laboratory) -> None:
    """PostgreSQL may commit after the connection is lost. The next sessions know the new column nevertheless.

    The files of many dropped tables are deleted between the commit and its answer.
    """

    async def run() -> None:
        two, three = await laboratory.client(), await laboratory.client()
        await two.ok("create table t(id int primary key, n int)")
        await two.ok("begin", "insert into t values (1, 1)")
        await three.ok("begin", "insert into t values (1, 0) on conflict do nothing", "rollback")
        await two.ok("select 1", "rollback")  # the engine knows the table now
        version = two.session.services.catalog.version
        while not await _leaves_during_commit_of_a_column(laboratory, two):
            await two.ok("alter table t drop column extra")
            version = two.session.services.catalog.version
        answers: list[str] = []
        skipping = "insert into t(id, n) values (1, 0) on conflict do nothing"
        while answers[-1:] != [""]:
            inserted = await _first_error(two, "begin", "insert into t(id, n, extra) values (1, 1, 'kept')")
            answers.append(await _first_error(three, "begin", skipping, "rollback"))
            answers.append(inserted or await _first_error(two, "select 1"))
            answers[-1] = await _first_error(two, "commit") or answers[-1]
        assert {*answers} <= {"", "40001"}, (
            "a conflict is right until the backend of the lost client has ended"
        )
        assert (await three.run("select * from t")).rows == [("1", "1", "kept")]
        assert two.session.services.catalog.version > version
        assert two.session.services.commits.pending == 0

    laboratory.run(run())


async def _leaves_during_commit_of_a_column(laboratory: Laboratory, two: Client) -> bool:
    """Let a client add a column, and leave once it is visible; return False if its COMMIT was answered before that."""
    superuser = await laboratory.server.connect("postgres")
    await superuser.rows(
        "drop schema if exists big cascade; create schema big authorization admin; set role admin;"
        " do $$ begin for i in 1..600 loop execute format('create table big.t%s ()', i); end loop; end $$"
    )
    superuser.close()
    one = await laboratory.client()
    await one.ok("begin", "alter table t add column extra text", "drop schema big cascade")
    committing = asyncio.ensure_future(one.run("commit"))
    while not (await two.run("select from pg_attribute where attname = 'extra'")).rows:
        assert not committing.done() or (await committing).sqlstate == ""
    await laboratory.leave(one)
    try:
        assert (await committing).sqlstate == ""
    except ConnectionLost:
        return True
    return False


async def _first_error(client: Client, *statements: str) -> str:
    """Return the SQLSTATE of the first statement that fails, empty if none does."""
    return next(filter(None, [(await client.run(sql)).sqlstate for sql in statements]), "")


def test_sessions_that_have_ended_are_not_kept(laboratory: Laboratory) -> None:
    """Each client loses a conflict to the one before it and wins the next one, as programs do that connect anew."""

    async def run() -> None:
        ended: list[weakref.ref[object]] = []
        previous = await laboratory.client()
        await previous.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        for _ in range(20):
            client = await laboratory.client()
            await client.ok("begin", "select n from t")
            await previous.ok("update t set n = n + 1")
            await client.run("update t set n = n + 1")
            assert (await client.run("commit")).sqlstate == "40001"
            ended.append(weakref.ref(previous.session))
            await laboratory.leave(previous)
            previous = client
        del client
        gc.collect()
        assert sum(session() is not None for session in ended) <= MANY

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
