"""Connections lost at critical points: no wrong success, no leak, no hang."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_runtime import DistributedDatabase, errors, sql
from tests.support.relay import Direction

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_runtime import Transaction
    from tests.support.relay import Relay

ONE = sql("SELECT n FROM items WHERE id = 1")
ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")


@pytest.fixture
def db(wire: Relay) -> DistributedDatabase:
    return DistributedDatabase("main")


def value(db: DistributedDatabase) -> int:
    row = db.query_one(ONE)
    assert row is not None
    return int(row["n"])


def test_a_connection_lost_while_idle_is_replaced(db: DistributedDatabase, wire: Relay) -> None:
    with db:
        assert value(db) == 100
        wire.tear()
        assert db.execute(ADD) == 1
        wire.tear()
        assert db.transaction(lambda tx: tx.execute(ADD)) == 1
        assert value(db) == 102


@pytest.mark.parametrize("lose", Direction)
def test_a_read_is_retried_on_another_connection(
    db: DistributedDatabase, wire: Relay, lose: Direction
) -> None:
    with db:
        value(db)
        wire.lose_next(lose)
        assert value(db) == 100


@pytest.mark.parametrize(("lose", "kept"), [(Direction.REQUEST, {100}), (Direction.ANSWER, {100, 101})])
def test_a_write_without_a_reply_is_unknown(
    db: DistributedDatabase, wire: Relay, lose: Direction, kept: set[int]
) -> None:
    """The server begins to answer before it commits, and may notice the loss in between: either may be true."""
    with db:
        value(db)
        wire.lose_next(lose)
        with pytest.raises(errors.CommitOutcomeUnknown, match="may or may not have taken effect") as caught:
            db.execute(ADD)
        assert caught.value.commit_unknown
        assert value(db) in kept


@pytest.mark.parametrize(("lose", "kept"), [(Direction.REQUEST, 100), (Direction.ANSWER, 101)])
def test_a_commit_without_a_reply_is_never_retried(
    db: DistributedDatabase, wire: Relay, lose: Direction, kept: int
) -> None:
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(tx.attempt)
        tx.execute(ADD)
        wire.lose_next(lose)

    with db:
        with pytest.raises(errors.CommitOutcomeUnknown, match="before COMMIT was answered"):
            db.transaction(work, retry_on_conflict=True)
        assert runs == [1]
        assert value(db) == kept


@pytest.mark.parametrize("lose", Direction)
def test_a_connection_lost_in_a_transaction(db: DistributedDatabase, wire: Relay, lose: Direction) -> None:
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(tx.attempt)
        if tx.attempt == 1:
            wire.lose_next(lose)
        tx.execute(ADD)

    with db:
        with pytest.raises(errors.ConnectionFailed) as caught:
            db.transaction(work)
        assert caught.value.retryable
        assert value(db) == 100
        runs.clear()
        db.transaction(work, retry_on_conflict=True)
        assert runs == [1, 2]
        assert value(db) == 101


@pytest.mark.parametrize("lose", Direction)
def test_a_connection_lost_at_begin_is_replaced(
    db: DistributedDatabase, wire: Relay, lose: Direction
) -> None:
    with db:
        value(db)
        wire.lose_next(lose)
        assert db.transaction(lambda tx: tx.execute(ADD)) == 1
        assert value(db) == 101


@pytest.mark.parametrize("lose", Direction)
def test_a_lost_catalog_read_of_a_bulk_insert_is_repeated(
    db: DistributedDatabase, wire: Relay, lose: Direction
) -> None:
    """Nothing was written before it, so its outcome is known."""
    with db:
        calls: tuple[Callable[[list[dict[str, int]]], object], ...] = (
            lambda rows: db.load("items", rows, key="id").inserted,
            lambda rows: db.load("items", rows).inserted,
            lambda rows: db.insert_many("items", rows),
        )
        for number, insert in enumerate(calls, start=10):
            db.close()  # a new one has no catalog in memory
            value(db)
            wire.lose_next(lose)
            assert insert([{"id": number, "n": 1}]) == 1
        assert db.stats.unknown == 0


def test_failures_leak_no_connections(db: DistributedDatabase, wire: Relay) -> None:
    """More failures than there are connections; each must have been given back."""

    def torn(tx: Transaction) -> None:
        wire.tear()
        tx.execute(ADD)

    with DistributedDatabase("main", max_connections=2) as small:
        for _ in range(5):
            with pytest.raises(errors.ConnectionFailed):
                small.transaction(torn)
        assert value(small) == 100
