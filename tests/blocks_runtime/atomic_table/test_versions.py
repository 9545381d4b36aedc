"""Versions of locks and leases grow through deletes, renewals and clocks that disagree."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AtomicTable, Item, Lock, RaceCondition
from blocks_runtime.atomic_table import client, items, sql
from blocks_runtime.errors import CommitOutcomeUnknown, LeaseHeld, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = ("user#1", "counter")
HOUR = 3600 * 10**9

CLOCKS = {
    "one": lambda: 10**18,
    "behind": lambda: time.time_ns() - HOUR,
    "ahead": lambda: time.time_ns() + HOUR,
}


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> Callable[[], int]:
    """The clock of another machine."""
    return CLOCKS[request.param]


def rewritten(table: AtomicTable, lock: Lock) -> Lock:
    (written,) = table.set_atomic(Item(*KEY, 1), lock)
    return written


def deleted(table: AtomicTable, lock: Lock) -> Lock:
    table.delete(lock.key)
    return table.get_lock(KEY)


def deleted_twice(table: AtomicTable, lock: Lock) -> Lock:
    table.delete(KEY)
    return deleted(table, lock)


@pytest.mark.parametrize("change", [rewritten, deleted, deleted_twice])
def test_the_version_of_a_lock_grows_on_any_clock(
    table: AtomicTable,
    monkeypatch: pytest.MonkeyPatch,
    clock: Callable[[], int],
    change: Callable[[AtomicTable, Lock], Lock],
) -> None:
    lock = table.get_lock(KEY)
    with monkeypatch.context() as other_machine:
        other_machine.setattr(items, "time_ns", clock)
        new = change(table, lock)
    assert new.version > lock.version
    assert change(table, new).version > new.version
    for old in (lock, new):
        with pytest.raises(RaceCondition):
            table.set_atomic(Item(*KEY, "stale"), old)


def test_the_token_of_a_lease_grows_on_any_clock(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch, clock: Callable[[], int]
) -> None:
    tokens = []
    for times in (time.time_ns, clock, time.time_ns):
        monkeypatch.setattr(items, "time_ns", times)
        with table.lease("job") as lease:
            tokens.append(lease.token)
            lease.renew()
            tokens.append(lease.token)
    assert tokens == sorted(set(tokens))


def test_deleting_many_items_ends_their_locks(table: AtomicTable) -> None:
    keys = [("many", f"{n:03d}") for n in range(130)]
    table.set(Item(*key, 1) for key in keys)
    locks = [table.get_lock(key) for key in keys[::2]]
    table.delete(keys)
    assert table.query("many") == []
    for lock in (locks[0], locks[-1]):
        with pytest.raises(RaceCondition):
            table.set_atomic(Item(*lock.key, "stale"), lock)
        assert table.get_lock(lock.key).version > lock.version


def test_an_item_without_room_for_a_lock_is_deleted(dynamodb_table: AtomicTable) -> None:
    longest = Item("p" * 2048, "s", 1)
    dynamodb_table.set(longest)
    dynamodb_table.delete([longest, ("p", "s")])
    assert dynamodb_table.get(longest) is None


def test_a_delete_is_not_lost_to_a_writer_with_a_lock(table: AtomicTable) -> None:
    """Writers read the item under the lock. Once the delete has returned, none restores what it read before."""
    for number in range(10):
        table.set(Item(*KEY, number))

        def write(_: int) -> None:
            for _ in range(5):
                lock = table.get_lock(KEY)
                item = table.get(KEY)
                if item is not None:
                    with contextlib.suppress(RaceCondition):
                        table.set_atomic(Item(*KEY, item.data), lock)

        with ThreadPoolExecutor(3) as pool:
            writers = pool.map(write, range(2))
            table.delete(KEY)
            list(writers)
        assert table.get(KEY) is None


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["connection-lost", "outcome-unknown"])
@pytest.mark.parametrize("step", ["acquire", "renew"])
def test_a_lost_answer_is_not_settled_by_the_version_of_another_writer(
    table: AtomicTable, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, fault: str, step: str
) -> None:
    """Two machines whose clocks are behind draw the same version. The one that was faster has the lease."""
    monkeypatch.setattr(items, "time_ns", lambda: 1)
    is_dsql = table._database is not None
    module = sql if is_dsql else client
    monkeypatch.setattr(module, "sleep", lambda seconds: others.pop()() if others else None)
    first, second = table.lease("job", seconds=2), table.lease("job", seconds=60)
    if step == "renew":
        first.acquire()

    def overtake() -> None:
        time.sleep(2.1 if step == "renew" or fault == "outcome-unknown" else 0)
        second.acquire()

    others: list[Callable[[], None]] = [overtake]
    operation = {} if is_dsql else {"operation": "TransactWriteItems"}
    request.getfixturevalue("cluster" if is_dsql else "dynamo").inject(fault, **operation)
    holders = 0
    for _ in range(2):
        with contextlib.suppress(LeaseHeld, LeaseLost, CommitOutcomeUnknown):
            getattr(first, step)()
            holders += first.remaining > 0
    assert not others
    assert second.remaining > 0
    assert holders == 0
    table.set_atomic(Item("p", "s", "second"), [second])
    with pytest.raises((LeaseLost, RaceCondition)):
        table.set_atomic(Item("p", "s", "first"), [first])


def test_writers_that_draw_the_same_version_are_two(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines may write in the same nanosecond: the loser must not take the winner's write for its own."""
    monkeypatch.setattr(items, "time_ns", lambda: 10**18)
    store = table._connected().store
    first, second = table.lease("job"), table.lease("job")
    with monkeypatch.context() as both:
        both.setattr(store, "read", lambda keys, until, **_: [None] * len(keys))  # both see that it is free
        first.acquire()
        with pytest.raises(LeaseHeld):
            second.acquire()
