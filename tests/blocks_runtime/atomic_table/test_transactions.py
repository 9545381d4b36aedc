"""Transactions: serializable, retried, idempotent; the same on both stores."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from blocks_runtime import AtomicTable, Item, Once, RaceCondition, TableTransaction
from blocks_runtime.errors import OnceMismatch, TableLimitExceeded, TransactionAborted


def data_of(table: AtomicTable, pk: str, sk: str) -> Any:
    item = table.get((pk, sk))
    return item and item.data


def add(tx: TableTransaction) -> int:
    item = tx.get(("c", "1"))
    number = 1 if item is None else item.data + 1
    tx.set(Item("c", "1", number))
    return number


def test_what_is_read_is_a_condition(table: AtomicTable) -> None:
    table.set(Item("c", "1", 10))

    def interrupted(tx: TableTransaction) -> None:
        number = add(tx)
        if tx.attempt == 1:
            table.set(Item("c", "1", 100))
            assert number == 11

    with pytest.raises(RaceCondition):
        table.transaction(interrupted)
    assert data_of(table, "c", "1") == 100
    table.set(Item("c", "1", 10))
    table.transaction(interrupted, retry_on_conflict=True)
    assert data_of(table, "c", "1") == 101


def test_an_absent_item_is_a_condition(table: AtomicTable) -> None:
    def create(tx: TableTransaction) -> None:
        assert tx.get(("new", "1")) is None
        table.set(Item("new", "1", "faster"))
        tx.set(Item("new", "1", "slower"))

    with pytest.raises(RaceCondition) as caught:
        table.transaction(create)
    assert caught.value.keys == (("new", "1"),)
    assert data_of(table, "new", "1") == "faster"


def test_no_write_skew_on_items(table: AtomicTable) -> None:
    """Each of two transactions reads both items and writes one: snapshot isolation would commit both."""
    table.set([Item("oncall", "ann", True), Item("oncall", "bob", True)])
    together = threading.Barrier(2)

    def leave(who: str) -> str:
        def decide(tx: TableTransaction) -> None:
            both = tx.get_many([("oncall", "ann"), ("oncall", "bob")])
            if tx.attempt == 1:
                together.wait(10)
            if all(item and item.data for item in both):
                tx.set(Item("oncall", who, False))

        table.transaction(decide, retry_on_conflict=True, max_retries=20)
        return who

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(leave, ("ann", "bob")))
    assert sorted(item.data for item in table.query("oncall")) == [False, True]


def test_no_write_skew_on_absent_items(table: AtomicTable) -> None:
    together = threading.Barrier(2)

    def book(mine: str, other: str) -> bool:
        def decide(tx: TableTransaction) -> bool:
            taken = tx.get(("room", other))
            if tx.attempt == 1:
                together.wait(10)
            if taken is not None:
                return False
            tx.set(Item("room", mine, "booked"))
            return True

        return table.transaction(decide, retry_on_conflict=True, max_retries=20)

    with ThreadPoolExecutor(2) as pool:
        booked = list(pool.map(book, ("9-10", "10-11"), ("10-11", "9-10")))
    assert sorted(booked) == [False, True]
    assert len(table.query("room")) == 1


def test_a_transaction_that_only_reads_sees_one_moment(table: AtomicTable) -> None:
    table.set([Item("sum", "a", 1), Item("sum", "b", -1)])

    def torn(tx: TableTransaction) -> int:
        first = tx.get(("sum", "a"))
        if tx.attempt == 1:
            table.set_atomic([Item("sum", "a", 5), Item("sum", "b", -5)])
        second = tx.get(("sum", "b"))
        assert first is not None
        assert second is not None
        return int(first.data + second.data)

    with pytest.raises(RaceCondition):
        table.transaction(torn)
    table.set([Item("sum", "a", 1), Item("sum", "b", -1)])
    assert table.transaction(torn, retry_on_conflict=True) == 0


def test_an_error_that_follows_from_a_torn_read_is_a_conflict(table: AtomicTable) -> None:
    table.set([Item("sum", "a", 1), Item("sum", "b", -1)])

    def strict(tx: TableTransaction) -> str:
        first = tx.get(("sum", "a"))
        if tx.attempt == 1:
            table.set_atomic([Item("sum", "a", 5), Item("sum", "b", -5)])
        second = tx.get(("sum", "b"))
        if not first or not second or first.data + second.data:
            raise LookupError("the sum is not zero")
        return "balanced"

    assert table.transaction(strict, retry_on_conflict=True) == "balanced"


def test_an_error_of_the_function_writes_nothing(table: AtomicTable) -> None:
    def fail(tx: TableTransaction) -> None:
        tx.set(Item("f", "1", 1))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        table.transaction(fail, retry_on_conflict=True)
    assert table.get(("f", "1")) is None


def test_a_transaction_sees_its_own_writes(table: AtomicTable) -> None:
    table.set(Item("own", "1", 1))

    def write(tx: TableTransaction) -> list[object]:
        seen: list[object] = [tx.get(("own", "1"))]
        tx.set(Item("own", "1", 2), Item("own", "2", 3))
        seen += [item and item.data for item in tx.get_many([("own", "1"), ("own", "2")])]
        tx.delete(("own", "1"))
        return [*seen[1:], tx.get(("own", "1"))]

    assert table.transaction(write) == [2, 3, None]
    assert [item.data for item in table.query("own")] == [3]


def test_a_block_is_a_transaction(table: AtomicTable) -> None:
    with table.transaction() as tx:
        tx.set(Item("b", "1", 1))
    assert data_of(table, "b", "1") == 1
    with pytest.raises(RaceCondition), table.transaction() as tx:
        tx.get(("b", "1"))
        table.set(Item("b", "1", 2))
        tx.set(Item("b", "1", 3))
    assert data_of(table, "b", "1") == 2
    with pytest.raises(TransactionAborted):
        tx.get(("b", "1"))
    with pytest.raises(TypeError, match="cannot be run again"):
        table.transaction(retry_on_conflict=True)  # type: ignore[call-overload]


def test_the_course_of_a_transaction_is_told(table: AtomicTable) -> None:
    infos = []

    def twice(tx: TableTransaction) -> None:
        infos.append(tx.info)
        tx.get(("i", "1"))
        if tx.attempt == 1:
            table.set(Item("i", "1", "other"))
        tx.set(Item("i", "1", "mine"))

    table.transaction(twice, retry_on_conflict=True)
    assert infos[0] is infos[1]
    assert (infos[0].attempts, infos[0].conflicts) == (2, ["RaceCondition"])
    assert infos[0].milliseconds > 0
    assert (table.stats.commits, table.stats.conflicts) == (1, 1)


def test_too_many_items_are_refused_with_their_number(table: AtomicTable) -> None:
    def read_all(tx: TableTransaction) -> None:
        tx.get_many([("p", str(n)) for n in range(100)])
        tx.set(Item("q", "1", 1))

    with pytest.raises(TableLimitExceeded, match="101 actions"):
        table.transaction(read_all)


def test_once_takes_effect_once(table: AtomicTable) -> None:
    def order(tx: TableTransaction) -> dict[str, object]:
        return {"number": add(tx), "tags": ("a",)}

    first = table.transaction(order, once="order-17")
    assert first == {"number": 1, "tags": ["a"]}
    assert table.transaction(order, once="order-17") == first
    assert table.transaction(order, once=Once("order-18", payload=[1]))["number"] == 2
    with pytest.raises(OnceMismatch):
        table.transaction(order, once=Once("order-18", payload=[2]))
    assert data_of(table, "c", "1") == 2


def test_once_with_another_that_is_faster(table: AtomicTable) -> None:
    def slow(tx: TableTransaction) -> str:
        add(tx)
        if tx.attempt == 1:
            assert table.transaction(lambda tx: str(add(tx)), once="same") == "1"
        return "slow"

    assert table.transaction(slow, once="same") == "1"
    assert data_of(table, "c", "1") == 1


def test_once_expires(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    table.transaction(add, once=Once("short", lifetime=60))
    monkeypatch.setattr(time, "time", lambda: now + 61)
    table.transaction(add, once=Once("short", lifetime=60))
    assert data_of(table, "c", "1") == 2


def test_set_atomic_once(table: AtomicTable) -> None:
    lock = table.get_lock(("s", "1"))
    (after,) = table.set_atomic(Item("s", "1", "written"), lock, once="set-1")
    assert table.set_atomic(Item("s", "1", "again"), lock, once="set-1") == [after]
    assert data_of(table, "s", "1") == "written"


def test_threads_lose_no_increment(table: AtomicTable) -> None:
    def work(_: int) -> None:
        for _ in range(10):
            table.transaction(add, retry_on_conflict=True, max_retries=10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert data_of(table, "c", "1") == 80
    assert table.stats.conflicts > 0


def test_pairs_stay_equal_under_set_atomic(table: AtomicTable) -> None:
    table.set([Item("pair", "a", 0), Item("pair", "b", 0)])
    seen: list[tuple[object, ...]] = []

    def work(_: int) -> None:
        done = 0
        while done < 10:
            lock = table.get_lock(("pair", "lock"))
            both = table.transaction(lambda tx: tx.get_many([("pair", "a"), ("pair", "b")]))
            seen.append(tuple(item.data for item in both if item))
            try:
                table.set_atomic([item.with_data(item.data + 1) for item in both if item], lock)
            except RaceCondition:
                continue
            done += 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [item.data for item in table.query("pair")] == [40, 40]
    assert all(a == b for a, b in seen)


def test_an_item_read_before_the_transaction_must_be_unchanged_though_it_is_read_again(
    table: AtomicTable,
) -> None:
    table.set(Item("c", "1", 1))
    before = table.get(("c", "1"))
    assert before is not None
    table.set(Item("c", "1", 100))

    def overwrite(tx: TableTransaction) -> None:
        tx.get(("c", "1"))
        tx.set(before.with_data(before.data + 1))

    with pytest.raises(RaceCondition) as caught:
        table.transaction(overwrite, retry_on_conflict=True, max_retries=1)
    assert caught.value.keys == (("c", "1"),)
    assert data_of(table, "c", "1") == 100

    def after_a_write(tx: TableTransaction) -> None:
        current = table.get(("c", "1"))
        assert current is not None
        tx.set(current.with_data(101))
        tx.set(before.with_data(2))

    with pytest.raises(RaceCondition):
        table.transaction(after_a_write)
    assert data_of(table, "c", "1") == 100


def test_a_call_that_is_refused_writes_none_of_its_items(table: AtomicTable) -> None:
    table.set([Item("c", "1", 1), Item("c", "2", 2)])
    first, second = table.get_many([("c", "1"), ("c", "2")])
    assert first is not None
    assert second is not None
    table.set(Item("c", "2", 3))

    def work(tx: TableTransaction) -> None:
        tx.set(Item("c", "3", 3))
        tx.get(("c", "2"))
        with pytest.raises(RaceCondition):
            tx.set(Item("c", "3", 4), first.with_data(9), second.with_data(9))
        tx.set(Item("c", "4", 4), Item("c", "4", 5))

    table.transaction(work)
    assert [data_of(table, "c", sk) for sk in "1234"] == [1, 3, 3, 5]


def test_items_of_the_transaction_itself_may_be_written_again(table: AtomicTable) -> None:
    def write(tx: TableTransaction) -> None:
        tx.set(Item("c", "new", 1))
        own = tx.get(("c", "new"))
        assert own is not None
        tx.set(own.with_data(2))
        tx.set(own.with_data(3))
        tx.delete(own)
        tx.set(own.with_data(4))

    for _ in range(2):
        table.transaction(write)
        assert data_of(table, "c", "new") == 4


def test_an_item_that_expires_in_the_transaction_was_read_alive(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its removal by another writer is a change, whatever the time says at the end."""
    table.set(Item("c", "1", 1, expires_at=int(time.time()) + 60))
    now = time.time

    def write(tx: TableTransaction) -> None:
        assert tx.get(("c", "1")) is not None
        table.delete(("c", "1"))
        monkeypatch.setattr(time, "time", lambda: now() + 120)
        tx.set(Item("c", "2", "because the other one was there"))

    with pytest.raises(RaceCondition):
        table.transaction(write)
    assert data_of(table, "c", "2") is None


def test_a_delete_leaves_locks_unless_it_requires_them(table: AtomicTable) -> None:
    """A transaction that requires a lock loses to the writer that changed it; one that does not ignores it."""
    key = ("locked", "item")
    table.set(Item(*key, 1))
    lock = table.get_lock(key)
    table.transaction(lambda tx: tx.delete(key))
    table.set_atomic(Item(*key, 2), lock)

    def respectful(tx: TableTransaction) -> None:
        tx.require(lock)
        tx.delete(key)

    with pytest.raises(RaceCondition):
        table.transaction(respectful)
    item = table.get(key)
    assert item is not None
    assert item.data == 2
