"""Lifetime of a connection, checks of idle ones, and a pool that is exhausted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import generators

from blocks_runtime import DistributedDatabase, Sql, errors, sql
from blocks_runtime.database import pool, session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.pq.abc import PGconn

    from blocks_runtime import Transaction

ONE = sql("SELECT n FROM items WHERE id = 1")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[session.Session]:
    """Collect the sessions that are opened from now on."""
    collected: list[session.Session] = []
    original = session.Session.__init__

    def init(self: session.Session, *arguments: Any) -> None:
        original(self, *arguments)
        collected.append(self)

    monkeypatch.setattr(session.Session, "__init__", init)
    return collected


def test_one_thread_uses_one_warm_connection(db: DistributedDatabase, opened: list[session.Session]) -> None:
    for _ in range(5):
        db.query(ONE)
        db.transaction(lambda tx: tx.query(ONE))
    assert len(opened) == 1


def test_an_old_connection_is_replaced(
    db: DistributedDatabase, opened: list[session.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LIFETIME", (0.0, 0.0))
    db.query(ONE)
    db.query(ONE)
    assert len(opened) == 2
    assert opened[0].lost


def test_lifetimes_are_spread_and_end_before_the_hour() -> None:
    assert 0 < session.LIFETIME[0] < session.LIFETIME[1] <= 3600 - 300


@pytest.mark.parametrize("idle", [-1.0, 1e9])
def test_an_idle_connection_is_checked_first(
    db: DistributedDatabase, opened: list[session.Session], monkeypatch: pytest.MonkeyPatch, idle: float
) -> None:
    monkeypatch.setattr(session, "IDLE", idle)
    db.query(ONE)
    before = opened[0].statements
    db.query(ONE)
    assert opened[0].statements - before == (2 if idle < 0 else 1)
    assert len(opened) == 1


@pytest.mark.filterwarnings("ignore::blocks_runtime.warnings.SeparateTransactionWarning")
def test_too_few_connections_is_an_error_in_time(function: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.Pool.__init__, "__defaults__", (1, 0.05))
    with DistributedDatabase("main", max_connections=1) as db:

        def nested(tx: Transaction) -> None:
            db.query(ONE)

        with pytest.raises(errors.ConnectionFailed, match=r"all 1 connections were in use for 0\.05 s"):
            db.transaction(nested)
        assert db.query_one(ONE) == {"n": 100}


@pytest.fixture
def interrupting() -> Iterator[None]:
    """Make SIGALRM raise KeyboardInterrupt, as Ctrl-C would."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("interrupting")
def test_an_interrupted_statement_costs_its_connection_only(
    db: DistributedDatabase, opened: list[session.Session]
) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        db.transaction(lambda tx: tx.query(sql("SELECT pg_sleep(5)")))
    assert opened[0].lost
    assert db.query_one(ONE) == {"n": 100}


def test_a_garbage_collected_session_releases_its_permit(
    function: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by an interrupt between two lines, where no `try` has begun: by Ctrl-C, or a worker's time limit."""
    monkeypatch.setattr(pool.Pool.__init__, "__defaults__", (1, 0.05))
    with DistributedDatabase("main", max_connections=1) as db:
        for _ in range(3):
            taken, _ = db._connected().pool.take(session.Session.ping_if_idle)
            assert db.stats.open == 1
            del taken
            assert db.stats.open == 0
        assert db.query_one(ONE) == {"n": 100}


def test_a_statement_interrupted_before_its_reply_can_be_rolled_back(
    db: DistributedDatabase, opened: list[session.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ROLLBACK cannot be sent while an answer is to come; its refusal would take the place of the interrupt."""

    def interrupted(pgconn: PGconn) -> None:
        raise KeyboardInterrupt

    db.query(ONE)
    opened[0].begin()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(generators, "execute", interrupted)
        opened[0].commit()
    opened[0].rollback()
    assert opened[0].lost
    assert db.query_one(ONE) == {"n": 100}


def test_more_statements_than_are_kept_prepared(db: DistributedDatabase) -> None:
    """The oldest is dropped; DSQL refuses DEALLOCATE of one statement, so libpq must close it in the protocol."""
    for number in range(105):
        statement = Sql((f"SELECT {number} + ", "::int AS sum"), (1,))
        for _ in range(6):
            assert db.query_one(statement) == {"sum": number + 1}
    assert db.stats.connects == 1
