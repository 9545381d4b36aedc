"""Statements that wait for no lock cost no question to PostgreSQL, and short ones not even a timer."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from local_dsql.engine.unblock import begin_watch, end_watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.engine.control import ControlConnections
    from tests.local_dsql.engine.laboratory import Laboratory

LONG = "select count(*) from generate_series(1, 500000) a, generate_series(1, 3) b"


def count_questions(control: ControlConnections, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the statements that the engine sends on its own connections."""
    asked: list[str] = []
    rows = control.rows

    async def recorded(sql: str) -> list[list[str | None]]:
        asked.append(sql)
        return await rows(sql)

    monkeypatch.setattr(control, "rows", recorded)
    return asked


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel tells which processes run")
def test_a_statement_that_computes_is_rarely_asked_about(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> tuple[int, float]:
        client, _ = await laboratory.client(), await laboratory.client()
        asked = count_questions(laboratory.engine.services.control, monkeypatch)
        seconds = (await client.run(LONG)).seconds
        return sum("pg_blocking_pids" in sql for sql in asked), seconds

    questions, seconds = laboratory.run(run())
    assert seconds > 0.05
    assert questions < seconds / 0.010 / 2  # it asked every 10 ms; now only if the process happens to sleep


def test_a_statement_that_waits_is_asked_about(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> int:
        holder, waiter = await laboratory.client(), await laboratory.client()
        await holder.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await holder.ok("begin", "update t set n = 1")
        asked = count_questions(laboratory.engine.services.control, monkeypatch)
        await waiter.ok("update t set n = 2")
        return sum("pg_blocking_pids" in sql for sql in asked)

    asked = laboratory.run(run())
    if not laboratory.engine.services.suspend_always:  # a suspended transaction has no locks to wait for
        assert asked > 0


def test_statements_share_one_timer(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> int:
        sessions = [(await laboratory.client()).session for _ in range(3)]
        loop = asyncio.get_running_loop()
        begun: list[Callable[..., object]] = []
        call_later = loop.call_later

        def recorded(
            delay: float, callback: Callable[..., object], *arguments: object
        ) -> asyncio.TimerHandle:
            begun.append(callback)
            return call_later(delay, callback, *arguments)

        monkeypatch.setattr(loop, "call_later", recorded)
        for _ in range(100):
            for session in sessions:
                begin_watch(session)
            for session in sessions:
                end_watch(session)
        return len(begun)

    assert laboratory.run(run()) == 1
