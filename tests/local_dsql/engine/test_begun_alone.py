"""A statement that begins while there is no other session gets the answers of any other one: a session may connect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory

SETUP = ("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
SECONDS = 0.12
"""Seconds that the statement takes for each row."""
LIMIT = 5.0
"""Seconds after which the statement counts as one that waits for an idle transaction."""

UPDATE = f"update t set n = 1 where pg_sleep({SECONDS}) is not null"
INSERT = f"insert into t select i, 0 from generate_series(3, 4) i where pg_sleep({SECONDS}) is not null"

CASES = {
    "a row that an idle transaction has changed": (
        UPDATE,
        ("begin", "update t set n = 5 where id = 2"),
        "UPDATE 2",
        "",
    ),
    "a row that another transaction has changed": (
        UPDATE,
        ("update t set n = 5 where id = 2",),
        "UPDATE 2",
        "40001",
    ),
    "a key that an idle transaction has taken": (
        INSERT,
        ("begin", "insert into t values (4, 5)"),
        "INSERT 0 2",
        "",
    ),
    "a key that another transaction has taken": (
        INSERT,
        ("insert into t values (4, 5)",),
        "INSERT 0 2",
        "40001",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_session_connects_while_it_runs(laboratory: Laboratory, name: str) -> None:
    """It waits for no idle transaction, and a commit by the other session fails it at COMMIT only."""
    sql, others, tag, verdict = CASES[name]

    async def run() -> None:
        one: Client = await laboratory.client()
        await one.ok(*SETUP, "begin")
        running = asyncio.ensure_future(one.run(sql))
        await asyncio.sleep(SECONDS / 4)
        other = await laboratory.client()
        await other.ok(*others)
        reply = await asyncio.wait_for(running, LIMIT)
        assert (reply.sqlstate, reply.tag) == ("", tag), reply
        assert (await one.run("commit")).sqlstate == verdict

    laboratory.run(run())
