"""Memory that the fault `stale-read` costs: bounded by time and by number, and not bounded while it is armed."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from local_dynamodb import earlier_states
from local_dynamodb.faults import Fault, Injection
from tests.local_dynamodb.calls import EAST, OHIO, item
from tests.local_dynamodb.test_replication import number_in, put, service_in

if TYPE_CHECKING:
    from pathlib import Path

    from local_dynamodb.service import Service

BYTES = 20_000


def change(service: Service, keys: range) -> None:
    """Write an item twice, and delete it, for each key."""
    for number in keys:
        large = {"pk": {"S": f"{number}"}, "sk": {"S": "-"}, "data": {"S": f"{number % 10}" * BYTES}}
        for _ in range(2):
            service.call("PutItem", EAST, {"TableName": "t", "Item": large})
        service.call("DeleteItem", EAST, {"TableName": "t", "Key": item(str(number))})
    service.replication.settle()


def test_memory_does_not_grow_with_the_items_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_states, "ITEMS", 10)
    service = service_in(tmp_path)
    change(service, range(20))
    tracemalloc.start()
    change(service, range(20, 40))
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    change(service, range(40, 100))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    service.close()
    assert after - before < 10 * BYTES


@pytest.mark.parametrize(("name", "limit"), [("ITEMS", 2), ("SECONDS", -1.0)])
def test_states_are_kept_while_the_fault_is_armed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: float
) -> None:
    monkeypatch.setattr(earlier_states, name, limit)
    service = service_in(tmp_path)

    def seen() -> list[int | None]:
        return [number_in(service, EAST, str(pk)) for pk in range(5)]

    stale = service.injector.add(Injection(fault=Fault.STALE, times=None))
    for number in (1, 2):
        for pk in range(5):
            put(service, EAST, str(pk), number)
    assert seen() == [1] * 5
    service.injector.remove(stale)
    put(service, OHIO, "other", 1)
    service.injector.add(Injection(fault=Fault.STALE, times=None))
    assert seen().count(2) >= 4
    service.close()


def test_a_state_counts_for_some_seconds_also_without_further_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_in(tmp_path)
    for number in (1, 2):
        put(service, EAST, "a", number)

    def stale() -> int | None:
        service.injector.add(Injection(fault=Fault.STALE))
        return number_in(service, EAST, "a")

    assert stale() == 1
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + earlier_states.SECONDS + 1)
    assert stale() == 2
    service.close()
