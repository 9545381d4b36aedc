"""A state machine: random calls, faults and clocks in between, compared with a model that runs them one by one."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from blocks_runtime import AtomicTable, Item, Lock, RaceCondition
from blocks_runtime.atomic_table import items
from blocks_runtime.errors import CommitOutcomeUnknown
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb import LocalDynamo

keys = st.sampled_from([(pk, sk) for pk in ("p", "q") for sk in ("1", "2", "10")])
data = st.one_of(st.integers(-5, 5), st.text(max_size=2), st.lists(st.booleans(), max_size=2))
SURVIVED = {
    "dynamodb": (
        *("TransactionConflict", "Throttling", "connection-lost"),
        *("outcome-unknown", "unprocessed", "InternalServerError"),
    ),
    "dsql": ("OC000", "connection-lost", "outcome-unknown"),
}
MOST_FAULTS = 3
"""Faults at once. A call survives that many; it gives up after some seconds of faults."""


class Machine(RuleBasedStateMachine):
    """Calls on a table, with a dict as the model. `changes` counts the writes of each key."""

    table: AtomicTable
    store: str
    service: LocalDynamo | LocalCluster
    patch: pytest.MonkeyPatch

    @initialize()
    def begin(self) -> None:
        self.model: dict[tuple[str, str], Any] = {}
        self.locks: dict[tuple[str, str], Lock] = {}
        self.seen: dict[tuple[str, str], tuple[Item[Any], int]] = {}
        self.changes: dict[tuple[str, str], int] = {}
        self.lock_changes: dict[tuple[str, str], int] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.set_clock(0)
        self.known(lambda: self.table.delete([(pk, sk) for pk in ("p", "q") for sk in ("1", "2", "10")]))

    def teardown(self) -> None:
        for number in self.armed():  # tests of other files use the same server
            self.disarm(number)

    def write(self, key: tuple[str, str], value: Any) -> None:
        self.changes[key] = self.changes.get(key, 0) + 1
        self.model[key] = value

    def armed(self) -> list[int]:
        if isinstance(self.service, LocalCluster):
            return list(self.service.injections())
        return list(self.service.armed())

    def disarm(self, number: int) -> None:
        if isinstance(self.service, LocalCluster):
            self.service.clear_injections(number)
        else:
            self.service.remove(number)

    def set_clock(self, seconds: int) -> None:
        self.patch.setattr(items, "time_ns", lambda: time.time_ns() + seconds * 10**9)

    def known(self, call: Callable[[], object]) -> None:
        """Repeat a write without conditions whose outcome is unknown: the item is of a clock that is ahead."""
        for _ in range(2 * MOST_FAULTS):
            with contextlib.suppress(CommitOutcomeUnknown):
                call()
                return
        pytest.fail("the outcome stays unknown")

    @rule(fault=st.integers(0, 5), every=st.integers(1, 3))
    def disturb(self, fault: int, every: int) -> None:
        if len(self.armed()) < MOST_FAULTS:
            faults = SURVIVED[self.store]
            self.service.inject(faults[fault % len(faults)], every=every)

    @rule(seconds=st.sampled_from([0, -600, 600]))
    def another_machine(self, seconds: int) -> None:
        """Continue on a machine whose clock is behind or ahead."""
        self.set_clock(seconds)

    @rule(values=st.dictionaries(keys, data, max_size=4))
    def set(self, values: dict[tuple[str, str], Any]) -> None:
        self.known(lambda: self.table.set([Item(*key, value) for key, value in values.items()]))
        for key, value in values.items():
            self.write(key, value)

    @rule(wanted=st.lists(keys, max_size=5))
    def get_many(self, wanted: list[tuple[str, str]]) -> None:
        items = self.table.get_many(wanted)
        assert [item and item.data for item in items] == [self.model.get(key) for key in wanted]

    @rule(key=keys)
    def read(self, key: tuple[str, str]) -> None:
        item = self.table.get(key)
        assert (item is None) is (key not in self.model)
        if item is not None:
            self.seen[key] = item, self.changes.get(key, 0)

    @rule(key=keys, value=data)
    def write_what_was_read(self, key: tuple[str, str], value: Any) -> None:
        if key not in self.seen:
            return
        item, at = self.seen.pop(key)
        if self.changes.get(key, 0) == at:
            self.table.set_atomic(item.with_data(value))
            self.write(key, value)
        else:
            with pytest.raises(RaceCondition):
                self.table.set_atomic(item.with_data(value))

    @rule(key=keys)
    def lock(self, key: tuple[str, str]) -> None:
        lock = self.table.get_lock(key)
        if key in self.locks and self.lock_changes.get(key, 0) == 0:
            assert lock == self.locks[key]
        assert lock.version >= self.versions.get(key, 0), "the version of a lock was reset"
        self.versions[key] = lock.version
        self.locks[key] = lock
        self.lock_changes[key] = 0

    @rule(key=keys, values=st.dictionaries(keys, data, min_size=1, max_size=3), keep=st.booleans())
    def write_under_lock(self, key: tuple[str, str], values: dict[tuple[str, str], Any], keep: bool) -> None:
        if key not in self.locks:
            return
        written = [Item(*each, value) for each, value in values.items()]
        if self.lock_changes[key]:
            with pytest.raises(RaceCondition):
                self.table.set_atomic(written, self.locks[key])
            return
        (renewed,) = self.table.set_atomic(written, self.locks[key])
        assert renewed.version > self.locks[key].version
        self.versions[key] = renewed.version
        if keep:
            self.locks[key] = renewed
        else:
            self.lock_changes[key] = 1
        for each, value in values.items():
            self.write(each, value)

    @rule(key=keys, other=keys)
    def swap(self, key: tuple[str, str], other: tuple[str, str]) -> None:
        def exchange(tx: Any) -> None:
            one, two = tx.get_many([key, other])
            for place, item in ((other, one), (key, two)):
                if item is None:
                    tx.delete(place)
                else:
                    tx.set(Item(*place, item.data))

        self.table.transaction(exchange)
        before = dict(self.model)
        for place, source in ((other, key), (key, other)):
            self.changes[place] = self.changes.get(place, 0) + 1
            if source in before:
                self.model[place] = before[source]
            else:
                self.model.pop(place, None)

    @rule(key=keys)
    def delete(self, key: tuple[str, str]) -> None:
        self.known(lambda: self.table.delete(key))
        self.changes[key] = self.changes.get(key, 0) + 1
        self.model.pop(key, None)
        if key in self.locks:
            self.lock_changes[key] = 1
            self.versions[key] += 1

    @invariant()
    def queries_agree(self) -> None:
        for pk in ("p", "q"):
            found = {item.key: item.data for item in self.table.query(pk)}
            assert list(found.items()) == sorted(
                (key, value) for key, value in self.model.items() if key[0] == pk
            )


@pytest.mark.parametrize("store", ["dynamodb", "dsql"])
def test_random_calls_agree_with_the_model(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    table: AtomicTable = request.getfixturevalue(f"{store}_table")
    service = request.getfixturevalue("dynamo" if store == "dynamodb" else "cluster")
    machine = type(
        "Bound", (Machine,), {"table": table, "store": store, "service": service, "patch": monkeypatch}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25 if store == "dynamodb" else 10,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
