"""A `set` or `delete` whose answer was lost is settled without undoing what another writer wrote since."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item
from blocks_runtime.atomic_table import items, sql
from blocks_runtime.atomic_table.client import RequestFailed
from blocks_runtime.atomic_table.primitives import sleep
from blocks_runtime.errors import CommitOutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dsql import LocalCluster

KEY = ("p", "1")
FAULTS = pytest.mark.parametrize("fault", ["outcome-unknown", "connection-lost"])


@pytest.fixture
def inject(
    table: AtomicTable, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, Callable[[], object]], None]]:
    """Return a function that arms a fault of the next write, and runs a function once it was hit."""
    store: Any = table._connected().store
    is_dsql = hasattr(store, "_database")
    service: Any = request.getfixturevalue("cluster" if is_dsql else "dynamo")

    def arm(fault: str, then: Callable[[], object]) -> None:
        service.inject(fault)
        waiting = [then]
        if is_dsql:

            def slept(seconds: float) -> None:
                for each in [waiting.pop()] if waiting else []:
                    each()
                sleep(seconds)

            monkeypatch.setattr(sql, "sleep", slept)
            return
        call = store.client.call

        def called(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            except RequestFailed:
                for each in [waiting.pop()] if waiting else []:
                    each()
                raise

        monkeypatch.setattr(store.client, "call", called)

    yield arm
    assert not (service.injections() if is_dsql else service.armed()), "the fault hit nothing"


def written_by_another(table: AtomicTable) -> None:
    item = table.get(KEY)
    table.set_atomic(Item(*KEY, "newer") if item is None else item.with_data("newer"))


def data(table: AtomicTable) -> object:
    item = table.get(KEY)
    return item and item.data


@FAULTS
@pytest.mark.parametrize("count", [1, 20])
def test_a_set_does_not_overwrite_a_later_write(
    table: AtomicTable, inject: Any, fault: str, count: int
) -> None:
    inject(fault, lambda: written_by_another(table))
    with pytest.raises(CommitOutcomeUnknown):
        table.set([Item("p", str(n), "older") for n in range(1, count + 1)])
    assert table.stats.unknown == 1
    assert data(table) == "newer"
    assert len(table.query("p")) == count


@FAULTS
def test_a_set_alone_is_made(table: AtomicTable, inject: Any, fault: str) -> None:
    table.set(Item(*KEY, "oldest"))
    inject(fault, lambda: None)
    table.set([Item("p", str(n), "new") for n in range(1, 30)])
    assert {item.data for item in table.query("p")} == {"new"}
    assert len(table.query("p")) == 29
    assert table.stats.unknown == 0


@FAULTS
def test_a_delete_alone_is_made(table: AtomicTable, inject: Any, fault: str) -> None:
    table.set([Item("p", str(n), n) for n in range(1, 30)])
    inject(fault, lambda: None)
    table.delete([("p", str(n)) for n in range(1, 29)])
    assert [item.sk for item in table.query("p")] == ["29"]


@FAULTS
def test_a_delete_does_not_remove_a_later_item(table: AtomicTable, inject: Any, fault: str) -> None:
    table.set(Item(*KEY, "older"))
    inject(fault, lambda: written_by_another(table))
    with pytest.raises(CommitOutcomeUnknown):
        table.delete(KEY)
    assert table.stats.unknown == 1
    assert data(table) == "newer"


@pytest.mark.parametrize("call", ["set", "delete"])
def test_an_item_of_a_clock_that_is_ahead_is_not_taken_for_a_later_one(
    table: AtomicTable, inject: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The call was not made, and must not be reported as made."""
    calls: dict[str, Callable[[], None]] = {
        "set": lambda: table.set(Item(*KEY, "set")),
        "delete": lambda: table.delete(KEY),
    }
    again = calls[call]
    with monkeypatch.context() as other_machine:
        other_machine.setattr(items, "time_ns", lambda: time.time_ns() + 3600 * 10**9)
        table.set(Item(*KEY, "ahead"))
    inject("connection-lost", lambda: None)
    with pytest.raises(CommitOutcomeUnknown):
        again()
    assert data(table) == "ahead"
    again()
    assert data(table) == (None if call == "delete" else "set")


WRITES: dict[str, Callable[[AtomicTable], object]] = {
    "set": lambda table: table.set(Item(*KEY, 1)),
    "delete": lambda table: table.delete(KEY),
    "set_atomic": lambda table: table.set_atomic(Item(*KEY, 1)),
    "transaction": lambda table: table.transaction(lambda tx: tx.set(Item(*KEY, 1))),
    "counter": lambda table: table.counter("c").add(),
    "queue": lambda table: table.queue("q").push("a", 1),
    "lock": lambda table: table.get_lock(KEY),
    "purge": lambda table: table.purge(),
}


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
def test_each_unknown_outcome_over_a_database_is_counted_once(
    dsql_table: AtomicTable,
    cluster: LocalCluster,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[AtomicTable], object],
) -> None:
    """A lost answer after which the store finds out the outcome is not counted."""
    monkeypatch.setattr(sql, "sleep", lambda seconds: None)
    dsql_table.set(Item("old", "1", 1, expires_at=1))
    number = cluster.inject("connection-lost", times=None)
    try:
        with pytest.raises(CommitOutcomeUnknown):
            call(dsql_table)
    finally:
        cluster.clear_injections(number)
    assert dsql_table.stats.unknown == 1
    call(dsql_table)
    assert dsql_table.stats.unknown == 1
