"""Sixteen threads, each with 200 atomic increments of one number: none is lost. The proof of the stores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from blocks_runtime import AtomicTable, Item, RaceCondition, TableTransaction

THREADS, TIMES = 16, 200


def add(tx: TableTransaction) -> None:
    item = tx.get(("c", "1"))
    assert item is not None
    tx.set(item.with_data(item.data + 1))


@pytest.mark.slow
def test_transactions_lose_no_increment(table: AtomicTable) -> None:
    table.set(Item("c", "1", 0))

    def work(_: int) -> None:
        for _ in range(TIMES):
            table.transaction(add, retry_on_conflict=True, max_retries=1_000_000)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    item = table.get(("c", "1"))
    assert item is not None
    assert item.data == THREADS * TIMES
    assert table.stats.conflicts > 0


@pytest.mark.slow
def test_locks_lose_no_increment(table: AtomicTable) -> None:
    table.set(Item("c", "1", 0))

    def work(_: int) -> None:
        done = 0
        while done < TIMES // 4:  # each loser reads a lock anew, without waiting
            lock = table.get_lock(("c", "1"))
            item = table.get(("c", "1"))
            assert item is not None
            try:
                table.set_atomic(Item("c", "1", item.data + 1), lock)
            except RaceCondition:
                continue
            done += 1

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    item = table.get(("c", "1"))
    assert item is not None
    assert item.data == THREADS * (TIMES // 4)


@pytest.mark.slow
def test_counters_lose_no_addition(table: AtomicTable) -> None:
    counter = table.counter("hits", shards=8)

    def work(_: int) -> None:
        for _ in range(TIMES):
            counter.add()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    assert counter.value() == THREADS * TIMES
