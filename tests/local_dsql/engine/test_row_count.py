"""The rows of an upsert over newer rows count as often as it has made them, for the row limit of its transaction."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from local_dsql.engine.errors import ROW_LIMIT
from local_dsql.engine.limits import Limits
from tests.local_dsql.engine.laboratory import Laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.engine.laboratory import Server

LIMIT = 5
SETUP = (
    "create table t(id int primary key, n int)",
    "insert into t values (1, 0), (2, 0)",
)
ACTION = "create table child(id int primary key, t int references t on delete cascade)"
"""With an action of a foreign key, rows are counted in the log, otherwise by the command tag."""

OTHERS = {"updated": "update t set n = 1 where id = 1", "deleted": "delete from t where id = 1"}


@pytest.fixture(params=[False, True], ids=["on demand", "suspend always"])
def limited(server: Server, request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    """An engine with a low row limit."""
    laboratory = Laboratory(server, suspend_always=request.param, limits=Limits(rows=LIMIT))
    yield laboratory
    laboratory.close()


@pytest.mark.parametrize("setup", [SETUP, (*SETUP, ACTION)], ids=["by tag", "by log"])
@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_rows_of_an_upsert_that_skips_one(limited: Laboratory, setup: tuple[str, ...], change: str) -> None:
    """One row before the upsert, two of its three rows and two after it are within the limit, and no more."""

    async def run() -> None:
        one, other = await limited.client(), await limited.client()
        await other.ok(*setup)
        await one.ok("begin", "insert into t values (3, 0)")
        await other.ok(change)
        found = await one.run("insert into t values (1, 0), (4, 0), (5, 0) on conflict do nothing")
        assert found.short == "INSERT 0 2", found
        await one.ok("insert into t values (6, 0)", "insert into t values (7, 0)")
        assert (await one.run("insert into t values (8, 0)")).sqlstate == ROW_LIMIT.sqlstate

    limited.run(run())


def test_large_statements_that_alternate_run_once_each(laboratory: Laboratory) -> None:
    """Each runs twice the first time, because its rows must be counted before its COMMIT; a sequence shows it."""

    async def run() -> list[int]:
        client = await laboratory.client()
        await client.ok("create sequence runs", "create table filled(id int, n int, v text)")
        last = []
        for _ in range(4):
            await client.ok(
                "insert into filled select g, nextval('runs'), repeat('x', 200) from generate_series(1, 2900) g",
                "update filled set n = nextval('runs')",
                "delete from filled",
            )
            rows = (await client.run("select last_value from runs")).rows
            last.append(int(str(rows[0][0])))
        return [after - before for before, after in itertools.pairwise(last)]

    assert laboratory.run(run()) == [2 * 2900] * 3
