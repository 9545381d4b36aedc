"""Errors of DSQL in place of a reply: which are retried, and which the caller gets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest

from blocks_runtime import AsyncDistributedDatabase, DatabaseError, DistributedDatabase, errors, sql
from tests.support.answering_proxy import AnsweringProxy, Trap, answering, error, fatal_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_runtime import AsyncTransaction, Stats, Transaction
    from local_dsql import LocalCluster

TAKE = sql("UPDATE items SET n = n - 1 WHERE id = 1")
SHOW = sql("SELECT n FROM items WHERE id = 1")
UNAVAILABLE = ("XX000", "server unavailable")

Outcome = tuple[DatabaseError | None, "Stats"]


@pytest.fixture
def endpoint(
    function: None, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AnsweringProxy]:
    with answering(cluster) as made:
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", f"localhost:{made.port}")
        yield made


def in_threads(call: str, arm: Callable[[], None]) -> Outcome:
    """Make a call on a warm connection; return what it ended with, and the counters after a query that follows."""
    failure = None
    with DistributedDatabase("main", max_connections=1) as db:

        def take(tx: Transaction) -> None:
            tx.query(SHOW)
            tx.execute(TAKE)

        db.query(sql("SELECT 1"))
        arm()
        try:
            match call:
                case "transaction":
                    db.transaction(take, retry_on_conflict=True)
                case "query":
                    db.query(SHOW)
                case "execute":
                    db.execute(TAKE)
        except DatabaseError as caught:
            failure = caught
        db.query(sql("SELECT 1"))
        return failure, db.stats


def in_tasks(call: str, arm: Callable[[], None]) -> Outcome:
    """Do the same with asyncio."""

    async def run() -> Outcome:
        failure = None
        async with AsyncDistributedDatabase("main", max_connections=1) as db:

            async def take(tx: AsyncTransaction) -> None:
                await tx.query(SHOW)
                await tx.execute(TAKE)

            await db.query(sql("SELECT 1"))
            arm()
            try:
                match call:
                    case "transaction":
                        await db.transaction(take, retry_on_conflict=True)
                    case "query":
                        await db.query(SHOW)
                    case "execute":
                        await db.execute(TAKE)
            except DatabaseError as caught:
                failure = caught
            await db.query(sql("SELECT 1"))
            return failure, db.stats

    return asyncio.run(run())


class Case(NamedTuple):
    call: str
    trap: Trap
    fails: type[DatabaseError] | None
    """None: the caller hears of nothing."""
    left: int
    """Of 100, afterwards."""
    connects: int = 1


ROLLED_BACK = b"ROLLBACK"
CASES: dict[str, Case] = {
    "BEGIN, unavailable": Case("transaction", Trap(b"BEGIN", error(*UNAVAILABLE)), None, 99),
    "BEGIN, another error": Case(
        "transaction", Trap(b"BEGIN", error("XX000", "internal error")), errors.QueryFailed, 100
    ),
    "BEGIN, goodbye": Case(
        "transaction", Trap(b"BEGIN", fatal_error("57P01", "terminating"), hangs_up=True), None, 99, 2
    ),
    "a read in it, unavailable": Case("transaction", Trap(b"SELECT n", error(*UNAVAILABLE, b"E")), None, 99),
    "a write in it, unavailable": Case("transaction", Trap(b"UPDATE", error(*UNAVAILABLE, b"E")), None, 99),
    "COMMIT, unavailable": Case(
        "transaction", Trap(b"COMMIT", error(*UNAVAILABLE), instead=ROLLED_BACK), None, 99
    ),
    "COMMIT, goodbye": Case(
        "transaction",
        Trap(b"COMMIT", fatal_error("57P01", "terminating"), instead=ROLLED_BACK, hangs_up=True),
        errors.CommitOutcomeUnknown,
        100,
        2,
    ),
    "a read alone, unavailable": Case("query", Trap(b"SELECT n", error(*UNAVAILABLE)), None, 100),
    "a read alone, goodbye": Case(
        "query", Trap(b"SELECT n", fatal_error("57P01", "terminating"), hangs_up=True), None, 100, 2
    ),
    "a write alone, unavailable": Case(
        "execute", Trap(b"UPDATE", error(*UNAVAILABLE)), errors.ServerUnavailable, 100
    ),
    "a write alone, goodbye": Case(
        "execute",
        Trap(b"UPDATE", fatal_error("57P01", "terminating"), hangs_up=True),
        errors.CommitOutcomeUnknown,
        100,
        2,
    ),
}


@pytest.mark.parametrize("way", [in_threads, in_tasks])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_server_error_in_place_of_a_reply(
    direct: DistributedDatabase, endpoint: AnsweringProxy, case: Case, way: Callable[..., Outcome]
) -> None:
    """AWS user guide, "troubleshooting": after `server unavailable` a transaction is run again, without a reconnect."""

    def arm() -> None:
        endpoint.trap = case.trap

    failure, stats = way(case.call, arm)
    assert endpoint.trap is None, "it was reached"
    assert type(failure) is (type(None) if case.fails is None else case.fails)
    assert direct.query_one(SHOW, tuple) == (case.left,)
    assert stats.open == stats.idle == 1, "nothing leaked"
    assert stats.connects == case.connects
    assert failure is None or not failure.retryable or case.call == "transaction"
