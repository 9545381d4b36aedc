"""Logins are retried while a cluster wakes up or limits connections, and not after a denial."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors, sql
from blocks_runtime.database import engine
from blocks_runtime.database.aio import engine as async_engine
from blocks_runtime.shared.retry import Backoff
from tests.support.refusing_relay import refusal, refusing

if TYPE_CHECKING:
    from local_dsql import LocalCluster

ONE = sql("SELECT n FROM items WHERE id = 1")

# Texts: AWS user guide, "troubleshooting" and "quotas".
PASSING = {
    "waking up": ("", "unable to accept connection, waking up cluster, please retry later"),
    "too many": ("53300", "Unable to accept connection, too many open connections."),
    "too fast": ("53400", "Unable to accept connection, rate exceeded."),
}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between attempts to a hundredth."""
    for module in (engine, async_engine):
        monkeypatch.setattr(module, "CONNECTS", Backoff(base=0.001, cap=0.02))


@pytest.mark.parametrize(("sqlstate", "text"), PASSING.values(), ids=PASSING)
def test_transient_refusals_are_retried(
    function: None,
    cluster: LocalCluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    sqlstate: str,
    text: str,
) -> None:
    with refusing(cluster, [refusal(sqlstate, text)] * 2) as relay:
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", f"localhost:{relay.port}")
        with DistributedDatabase("main") as db, caplog.at_level(logging.INFO, "blocks_runtime"):
            assert db.query_one(ONE) == {"n": 100}
            assert (db.stats.connects, db.stats.refused) == (1, 2)
    assert ["connected on attempt 3" in record.getMessage() for record in caplog.records] == [True]


def test_the_same_with_asyncio(
    function: None, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(db: AsyncDistributedDatabase) -> object:
        async with db:
            return await db.query_one(ONE), db.stats.refused

    with refusing(cluster, [refusal(*PASSING["waking up"])]) as relay:
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", f"localhost:{relay.port}")
        assert asyncio.run(ask(AsyncDistributedDatabase("main"))) == ({"n": 100}, 1)


def test_retries_of_logins_end_at_the_deadline(
    function: None, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECTS", Backoff(base=1e9, cap=1e9))
    with refusing(cluster, [refusal(*PASSING["waking up"])]) as relay:
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", f"localhost:{relay.port}")
        with DistributedDatabase("main") as db:
            with pytest.raises(errors.ConnectionFailed, match="waking up"):
                db.query(ONE, deadline=10.0)
            health = db.health()
    assert health.ok, "the second login succeeds"


def test_access_denied_is_not_retried(
    function: None, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = refusal("28000", "unable to accept connection, access denied")
    with refusing(cluster, [denied]) as relay:
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", f"localhost:{relay.port}")
        with DistributedDatabase("main") as db:
            with pytest.raises(errors.AccessDenied):
                db.transaction(lambda tx: tx.query(ONE), retry_on_conflict=True)
            assert db.stats.refused == 1
            assert (db.stats.open, db.stats.idle) == (0, 0)
            assert db.query_one(ONE) == {"n": 100}


def test_health_returns_the_error(function: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with DistributedDatabase("main") as db:
        assert db.health().ok
        assert db.health().milliseconds > 0
    monkeypatch.setenv("BLOCKS_MAIN_ROLE", "unknown")
    with DistributedDatabase("main") as db:
        health = db.health()
        assert not health
        assert isinstance(health.error, errors.AccessDenied)


def test_warm_up_opens_connections(db: DistributedDatabase) -> None:
    db.warm_up(3)
    assert (db.stats.connects, db.stats.idle) == (3, 3)
    db.warm_up(2)
    db.query(ONE)
    assert db.stats.connects == 3
