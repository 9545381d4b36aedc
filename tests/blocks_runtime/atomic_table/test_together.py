"""Locks, leases, counters and queues at the same time, with faults, on machines whose clocks disagree.

Each process is a thread with a table and a clock of its own. At the end nothing is lost, and nothing was done twice.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item, RaceCondition
from blocks_runtime.atomic_table import items
from blocks_runtime.errors import DatabaseError, LeaseHeld, LeaseLost, MessageLost
from tests.blocks_runtime.atomic_table.conftest import STORES
from tests.blocks_runtime.atomic_table.test_model import SURVIVED

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 12.0
CLOCKS = (0, -300, 300)
"""Seconds by which the clocks of machines differ: AWS accepts the signatures of all of them."""


@dataclass
class Shared:
    """The history of a run; `stop` is the `time.monotonic()` of its end."""

    open: Callable[[], AtomicTable]
    stop: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    versions: list[int] = field(default_factory=lambda: [0])
    tokens: list[int] = field(default_factory=list)
    added: int = 0
    pushed: set[str] = field(default_factory=set)
    acknowledged: Counter[str] = field(default_factory=Counter)
    ended_leases: int = 0

    @property
    def running(self) -> bool:
        return time.monotonic() < self.stop


def until_known(call: Callable[[], object]) -> None:
    """Repeat a call that is safe to repeat. A short deadline can end the tries of the library with `RaceCondition`."""
    while True:
        try:
            call()
        except MessageLost:
            raise
        except DatabaseError:
            continue
        return


def lock_a_pair(shared: Shared, number: int) -> None:
    """Move one from an item to the other, under a lock that is deleted now and then."""
    table = shared.open()
    while shared.running:
        try:
            before = max(shared.versions)
            lock = table.get_lock(("pair", "a"))
            assert lock.version >= before, "the version of a lock was reset"
            one, other = table.get_many([("pair", "a"), ("pair", "b")])
            moved = [
                Item("pair", "a", one.data + 1 if one else 1),
                Item("pair", "b", other.data - 1 if other else -1),
            ]
            (written,) = table.set_atomic(moved, lock)
            assert written.version > lock.version
            shared.versions.append(written.version)
            if number == 0 and written.version % 10 == 0:
                until_known(lambda: table.delete(("pair", "lock of no item")))
        except DatabaseError:
            time.sleep(0.02)


def hold_a_lease(shared: Shared, number: int) -> None:
    """Append the token to a list, under the lease: they must be in order."""
    table = shared.open()
    lease = table.lease("job", seconds=2)
    while shared.running:
        try:
            lease.acquire()
            for _ in range(3):
                seen = table.get(("tokens", "list"))
                known = seen.data if seen else []
                table.set_atomic(Item("tokens", "list", [*known[-20:], lease.token]), [lease])
                shared.tokens.append(lease.token)
                lease.renew()
        except LeaseHeld:
            time.sleep(0.02)
        except (LeaseLost, RaceCondition):
            shared.ended_leases += 1
        except DatabaseError:
            continue
        finally:
            try:
                lease.release()
            except DatabaseError:
                shared.ended_leases += 1


def count_once(shared: Shared, number: int) -> None:
    counter = shared.open().counter("hits", shards=2)
    for step in itertools.count():
        if not shared.running:
            return
        until_known(lambda: counter.add(once=f"{number}-{step}"))  # noqa: B023
        with shared.lock:
            shared.added += 1


def produce(shared: Shared, number: int) -> None:
    queue = shared.open().queue("mail")
    for step in itertools.count():
        if not shared.running:
            return
        until_known(lambda: queue.push(f"{number}-{step}", step))  # noqa: B023
        with shared.lock:
            shared.pushed.add(f"{number}-{step}")
        time.sleep(0.02)


def consume(shared: Shared, number: int) -> None:
    """Acknowledge messages, until the queue is empty after the end."""
    queue, empty = shared.open().queue("mail"), 0
    while empty < 8:
        try:
            message = queue.pull(int, visibility=2)
        except DatabaseError:
            continue
        if message is None:
            empty += not shared.running
            time.sleep(0.3)
            continue
        try:
            until_known(lambda: queue.ack(message))  # noqa: B023
        except MessageLost:
            continue
        with shared.lock:
            shared.acknowledged[message.id] += 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost_and_nothing_done_twice(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, store: str, seed: int
) -> None:
    table: AtomicTable = request.getfixturevalue(f"{store}_table")
    service: Any = request.getfixturevalue("dynamo" if store == "dynamodb" else "cluster")
    machine, choose = threading.local(), random.Random(seed)
    monkeypatch.setattr(items, "time_ns", lambda: time.time_ns() + getattr(machine, "ahead", 0))

    def another() -> AtomicTable:
        machine.ahead = choose.choice(CLOCKS) * 10**9
        return AtomicTable(table.name, database=table._database, request_deadline=choose.choice([1, 2, 5]))

    shared = Shared(another, time.monotonic() + SECONDS)
    work = [*[lock_a_pair] * 3, *[hold_a_lease] * 3, *[count_once] * 2, *[produce] * 2, *[consume] * 2]
    with ThreadPoolExecutor(len(work)) as pool:
        running = [pool.submit(each, shared, number) for number, each in enumerate(work)]
        while shared.running:
            service.inject(choose.choice(SURVIVED[store]), every=choose.randint(1, 20), times=3)
            time.sleep(0.1)
        for number in list(service.armed() if store == "dynamodb" else service.injections()):
            service.remove(number) if store == "dynamodb" else service.clear_injections(number)
        for each in running:
            each.result()
    one, other = table.get_many([("pair", "a"), ("pair", "b")])
    assert one is not None
    assert other is not None
    assert one.data + other.data == 0
    assert shared.tokens, "no lease was held for long enough to write"
    assert len(set(shared.tokens)) == len(shared.tokens), "two holders had one token"
    seen = table.get(("tokens", "list"))
    assert seen is not None
    assert seen.data == sorted(set(seen.data)), "a holder wrote after its successor"
    assert table.counter("hits").value() == shared.added
    assert set(shared.acknowledged) == shared.pushed
    assert max(shared.acknowledged.values()) == 1
