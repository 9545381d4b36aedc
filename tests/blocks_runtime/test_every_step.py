"""The connection is cut at every step of a transaction, from the first byte of the login to the reply to COMMIT.

The relay counts messages, in either direction, and loses the n-th with its connection; n grows until the transaction
is through before anything is cut, so no step is left out.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AsyncDistributedDatabase, DatabaseError, DistributedDatabase, sql
from tests.support.relay import Direction

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_runtime import AsyncTransaction, Stats, Transaction
    from tests.support.relay import Relay

TAKE = sql("UPDATE items SET n = n - 1 WHERE id = 1")
PUT = sql("UPDATE items SET n = n + 1 WHERE id = 2")
SHOW = sql("SELECT n FROM items ORDER BY id")
BOTH, NEITHER = [99, 101], [100, 100]
LONGEST = 60.0
"""Seconds within which it must be over, one way or the other; it takes milliseconds."""


def transfer(tx: Transaction) -> None:
    tx.execute(TAKE)
    tx.execute(PUT)


def in_threads(warm: bool, arm: Callable[[], None]) -> tuple[BaseException | None, Stats]:
    """Make the transfer and return what it ended with, and the counters after it."""
    with DistributedDatabase("main", max_connections=1) as db:
        if warm:
            db.query(SHOW)
        arm()
        try:
            db.transaction(transfer)
        except DatabaseError as error:
            return error, db.stats
        return None, db.stats


def in_tasks(warm: bool, arm: Callable[[], None]) -> tuple[BaseException | None, Stats]:
    """Make the transfer with asyncio and return what it ended with, and the counters after it."""

    async def both(tx: AsyncTransaction) -> None:
        await tx.execute(TAKE)
        await tx.execute(PUT)

    async def run() -> tuple[BaseException | None, Stats]:
        async with AsyncDistributedDatabase("main", max_connections=1) as db:
            if warm:
                await db.query(SHOW)
            arm()
            try:
                await db.transaction(both)
            except DatabaseError as error:
                return error, db.stats
            return None, db.stats

    return asyncio.run(run())


def judge(error: BaseException | None, found: list[int]) -> None:
    """Fail on a wrong success, a wrong failure, and on half a transaction."""
    if error is None:
        assert found == BOTH
    elif getattr(error, "commit_unknown", False):
        assert found in (BOTH, NEITHER)
    else:
        assert found == NEITHER


@pytest.mark.parametrize("lose", Direction)
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("way", [in_threads, in_tasks])
def test_a_cut_connection_gives_no_wrong_success_leak_or_hang(
    direct: DistributedDatabase,
    wire: Relay,
    way: Callable[[bool, Callable[[], None]], tuple[BaseException | None, Stats]],
    warm: bool,
    lose: Direction,
) -> None:
    unknown = 0
    for number in itertools.count(1):
        direct.execute(sql("UPDATE items SET n = 100"))
        started = time.monotonic()
        error, stats = way(warm, functools.partial(wire.lose_next, lose, number))
        assert time.monotonic() - started < LONGEST
        judge(error, [n for (n,) in direct.query(SHOW, tuple)])
        assert stats.open == stats.idle <= 1, "a connection leaked"
        unknown += getattr(error, "commit_unknown", False)
        if wire.armed:
            break
    assert error is None
    assert number > 4, "BEGIN, two statements and COMMIT are four steps at least"
    assert unknown >= 1, "the COMMIT was among them"
