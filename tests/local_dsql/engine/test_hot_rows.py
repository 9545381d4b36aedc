"""Doomed transactions whose rows others commit all the time: few runs, and right answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from local_dsql.divergences import BY_ID
from local_dsql.engine import doomed
from local_dsql.engine.rebase import rebase
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql.engine.row_changes import RowChanges
    from local_dsql.engine.session import HeldSession
    from tests.local_dsql.engine.laboratory import Client, Laboratory

SETUP = ("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
UPDATE = "update t set n = n + 1 where id = 1"


async def _doom(client: Client, winner: Client) -> None:
    """Let a transaction lose, and notice it."""
    await client.ok("begin", "select * from t")
    await winner.ok(UPDATE)
    await client.ok(UPDATE)


async def _read_committed(client: Client, winner: Client) -> None:
    """As `_doom`; the transaction continues at READ COMMITTED, as after others have overtaken its statement."""
    await _doom(client, winner)
    transaction = client.session.transaction
    assert transaction is not None
    transaction.reads_committed = True
    await winner.ok(UPDATE)  # it waits for the row, so the engine suspends the doomed transaction
    assert (await client.run("select current_setting('transaction_isolation')")).rows == [("read committed",)]
    assert "doomed-sees-newer-rows" in BY_ID


def test_a_doomed_statement_on_a_row_that_others_commit_runs_few_times(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On fresh snapshots alone it would run again after each commit."""
    rebased = 0

    async def counting(held: HeldSession, changes: RowChanges) -> None:
        nonlocal rebased
        rebased += 1
        await rebase(held, changes)

    async def run() -> None:
        loser, *winners = [await laboratory.client() for _ in range(3)]
        await loser.ok(*SETUP)
        await loser.ok("begin", "select * from t")
        over = False

        async def win(client: Client) -> int:
            commits = 0
            while not over:
                await client.ok(UPDATE)
                commits += 1
            return commits

        working = [asyncio.get_running_loop().create_task(win(each)) for each in winners]
        await asyncio.sleep(0.05)
        for _ in range(5):
            assert (await loser.run(UPDATE)).tag == "UPDATE 1"
        over = True
        assert all(await asyncio.gather(*working))
        assert (await loser.run("commit")).sqlstate == "40001"

    monkeypatch.setattr("local_dsql.engine.doomed.rebase", counting)
    laboratory.run(run())
    assert rebased <= 2


REPLACE = ("begin", "delete from t where id = 7", "insert into t values (7, 2)", "commit")
MOMENTS = {
    "insert into t values (7, 9), (8, 9)": ("run_without", "_delete"),
    "insert into t values (1, 9), (7, 9) on conflict (id) do update set n = t.n + 100": (
        "_delete",
        "_delete",
    ),
}
"""Statements of a doomed transaction; another one begins to replace a row before the first call, and commits before the
next one: after the look at the log, and before the query for duplicates."""


@pytest.mark.parametrize("laboratory", [False], indirect=True, ids=["on demand"])
@pytest.mark.parametrize("statement", MOMENTS)
def test_a_key_that_is_committed_during_the_search_for_duplicates_is_no_duplicate(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The snapshot of the transaction does not show the row, whatever version of it a query at READ COMMITTED finds."""
    left: list[tuple[str, Sequence[str]]] = []

    async def run() -> None:
        one, other = [await laboratory.client() for _ in range(2)]
        await one.ok(*SETUP)
        await one.ok("begin", "select * from t")
        assert one.session.transaction is not None
        one.session.transaction.reads_committed = True  # it becomes doomed now
        await other.ok(UPDATE, "insert into t values (7, 1)")

        def interrupt(name: str) -> None:
            call = getattr(doomed, name)

            async def after_others(*arguments: Any) -> Any:
                is_second_run = name != "run_without" or arguments[2]
                while is_second_run and left and left[0][0] == name:
                    await other.ok(*left.pop(0)[1])
                return await call(*arguments)

            monkeypatch.setattr(doomed, name, after_others)

        first, then = MOMENTS[statement]
        left[:] = [(first, REPLACE[:-1]), (then, REPLACE[-1:])]
        for name in {first, then}:
            interrupt(name)
        if first == "run_without":
            await one.ok(UPDATE)
        assert (await one.run(statement)).tag == "INSERT 0 2"
        assert not left
        assert (await one.run("select n from t where id = 7")).rows == [("9",)]
        assert (await one.run("insert into t values (2, 9)")).sqlstate == "23505"
        await one.ok("rollback")

    laboratory.run(run())


def test_changes_over_rows_that_others_have_made_meanwhile_are_kept(laboratory: Laboratory) -> None:
    """A transaction at READ COMMITTED has changed rows that are newer than any snapshot it began with."""

    async def run() -> None:
        one, other = [await laboratory.client() for _ in range(2)]
        await one.ok(*SETUP)
        await _read_committed(one, other)
        for number in range(3):
            await other.ok("update t set n = 100 where id = 2", f"insert into t values ({10 + number}, 0)")
            await one.ok("update t set n = n + 5 where id = 2", "update t set n = 77 where id >= 10")
            await other.ok("update t set n = 200 where id = 2", "update t set n = 3 where id >= 10")
        found = await one.run("select id, n from t where id <> 1")
        assert sorted(found.rows) == [("10", "77"), ("11", "77"), ("12", "77"), ("2", "115")]
        assert (await one.run("commit")).sqlstate == "40001"

    laboratory.run(run())


def test_a_client_that_leaves_while_its_doomed_statement_waits_for_a_turn(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        one, other, third = [await laboratory.client() for _ in range(3)]
        await one.ok(*SETUP)
        turns = laboratory.engine.services.turns
        turns._begin_turns(other.session)
        await other.ok("begin")
        await one.ok("begin", "select * from t")
        await third.ok(UPDATE)
        busy = asyncio.get_running_loop().create_task(other.run("select pg_sleep(0.5)"))
        waiting = asyncio.get_running_loop().create_task(one.run(UPDATE))
        while not turns._waiting:
            await asyncio.sleep(0.005)
        await laboratory.leave(one)
        with pytest.raises(ConnectionLost):
            await waiting
        await busy
        await other.ok("rollback")
        assert not turns.are_taken

    monkeypatch.setattr("local_dsql.engine.turns._LONGEST", 10.0)
    laboratory.run(run())
