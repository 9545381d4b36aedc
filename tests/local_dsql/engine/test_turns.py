"""Sessions that lose conflicts take turns; nothing but the time of their BEGINs shows it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from local_dsql.divergences import BY_ID
from local_dsql.engine.turns import LOSSES, MANY, PAUSE, TRANSACTIONS

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory

SETUP = ("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
SESSIONS, EACH = 8, 20


async def _increment(client: Client) -> int:
    """Add 1 to a row in a transaction, again until it is committed; return the number of attempts."""
    attempts = 0
    while True:
        attempts += 1
        await client.ok("begin")
        await asyncio.sleep(0.001)
        found = await client.run("update t set n = n + 1 where id = 1")
        await asyncio.sleep(0.001)
        found = found if found.sqlstate else await client.run("commit")
        if not found.sqlstate:
            return attempts
        assert found.sqlstate == "40001"
        if client.session.transaction is not None:
            await client.ok("rollback")


async def _lose(loser: Client, winner: Client, times: int = LOSSES) -> None:
    for _ in range(times):
        await loser.ok("begin", "update t set n = n + 1 where id = 1")
        await winner.ok("update t set n = n + 1 where id = 1")
        assert (await loser.run("commit")).sqlstate == "40001"


@pytest.mark.parametrize("laboratory", [False], indirect=True, ids=["on demand"])
def test_sessions_that_change_one_row_lose_few_transactions(laboratory: Laboratory) -> None:
    """Without turns most attempts lose: each commit makes those lose that run beside it."""
    assert "losers-take-turns" in BY_ID

    async def run() -> tuple[int, object]:
        clients = [await laboratory.client() for _ in range(SESSIONS)]
        await clients[0].ok(*SETUP)

        async def work(client: Client) -> int:
            return sum([await _increment(client) for _ in range(EACH)])

        attempts = sum(await asyncio.gather(*map(work, clients)))
        return attempts, (await clients[0].run("select n from t where id = 1")).rows

    attempts, rows = laboratory.run(run(), timeout=60)
    assert rows == [(str(SESSIONS * EACH),)]
    assert attempts <= SESSIONS * EACH * 1.7


def test_a_transaction_that_does_nothing_keeps_no_turn(laboratory: Laboratory) -> None:
    async def run() -> float:
        one, other, third = [await laboratory.client() for _ in range(3)]
        await one.ok(*SETUP)
        await _lose(one, third)
        await _lose(other, third)
        await one.ok("begin", "update t set n = 5 where id = 2")
        began = await other.run("begin")
        await other.ok("update t set n = 6 where id = 2", "commit")
        assert (await one.run("commit")).sqlstate == "40001"
        return began.seconds

    assert laboratory.run(run()) < 0.25


def test_a_new_burst_conflicts_again(laboratory: Laboratory) -> None:
    """Turns would hide the conflicts of a burst that begins some time after the last one."""

    async def run() -> None:
        clients = [await laboratory.client() for _ in range(MANY + 1)]
        await clients[0].ok(*SETUP)
        for _ in range(3):
            for each in clients:
                await each.ok("begin", "select n from t where id = 1")
            for each in clients:
                await each.ok("update t set n = n + 1 where id = 1")
            ended = [(await each.run("commit")).sqlstate for each in clients]
            assert ended == ["", *["40001"] * MANY]
            assert clients[-1].session.takes_turns
            await asyncio.sleep(PAUSE * 1.1)

    laboratory.run(run())


def test_a_session_that_ends_passes_its_turn_on(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other, third = [await laboratory.client() for _ in range(3)]
        await one.ok(*SETUP)
        await _lose(one, third)
        await _lose(other, third)
        await one.ok("begin", "update t set n = 5 where id = 2")
        waiting = asyncio.get_running_loop().create_task(other.run("begin"))
        await asyncio.sleep(0)
        await laboratory.leave(one)
        assert not (await waiting).sqlstate
        await other.ok("update t set n = 6 where id = 2", "commit")

    laboratory.run(run())


def test_a_session_that_loses_now_and_then_takes_no_turns(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(*SETUP)
        for _ in range(2):
            await _lose(one, other, LOSSES - 1)
            assert not one.session.takes_turns
            await one.ok("begin", "update t set n = n + 1 where id = 1", "commit")
        await _lose(one, other)
        assert one.session.takes_turns

    laboratory.run(run())


def test_the_winner_of_repeated_conflicts_takes_turns_too(laboratory: Laboratory) -> None:
    """Without turns it would make every other session lose in its turn. Other writers of the table take none."""

    async def run() -> None:
        one, winner, beside = [await laboratory.client() for _ in range(3)]
        await one.ok(*SETUP)
        for lost in range(1, LOSSES + 1):
            await one.ok("begin", "update t set n = n + 1 where id = 1")
            await winner.ok("begin", "update t set n = n + 1 where id = 1", "commit")
            await beside.ok("begin", "update t set n = n + 1 where id = 2", "commit")
            if lost % 2:
                await one.ok("update t set n = n + 1 where id = 1")  # now it runs on newer rows
            assert (await one.run("commit")).sqlstate == "40001"
            assert bool(winner.session.takes_turns) is bool(one.session.takes_turns) is (lost == LOSSES)
            conflict = laboratory.engine.services.conflict_log.conflicts[-1]
            assert conflict.winners == (winner.session.label,)
        assert not beside.session.takes_turns

    laboratory.run(run())


def test_a_session_that_has_no_conflict_never_waits(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, winner, other = [await laboratory.client() for _ in range(3)]
        await one.ok(*SETUP)
        await _lose(one, winner)
        await one.ok("begin")
        assert not other.session.takes_turns
        work = asyncio.get_running_loop().create_task(other.run("begin"))
        busy = asyncio.get_running_loop().create_task(one.run("select pg_sleep(0.15)"))
        assert not (await work).sqlstate
        assert not busy.done()
        await busy

    laboratory.run(run())


def test_a_session_that_loses_right_after_its_turns_takes_turns_again(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(*SETUP)
        for wins, again in ((0, True), (1, False)):
            await _lose(one, other)
            assert one.session.takes_turns == TRANSACTIONS
            for _ in range(TRANSACTIONS + wins):
                await one.ok("begin", "update t set n = n + 1 where id = 1", "commit")
            assert not one.session.takes_turns
            await _lose(one, other, 1)
            assert one.session.takes_turns == (TRANSACTIONS if again else 0)
            for _ in range(TRANSACTIONS + 3):
                await one.ok("begin", "commit")

    laboratory.run(run())


def test_one_loss_is_enough_where_many_sessions_lose(laboratory: Laboratory) -> None:
    async def run() -> None:
        winner, *losers = [await laboratory.client() for _ in range(1 + MANY)]
        await winner.ok(*SETUP)
        for each in losers:
            await each.ok("begin", "update t set n = n + 1 where id = 1")
        await winner.ok("update t set n = n + 1 where id = 1")
        for number, each in enumerate(losers, start=1):
            assert (await each.run("commit")).sqlstate == "40001"
            assert bool(each.session.takes_turns) is bool(winner.session.takes_turns) is (number == MANY)

    laboratory.run(run())
