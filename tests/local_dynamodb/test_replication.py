"""Replication between Regions: no Region waits for another, and the last writer wins in all of them."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from local_dynamodb import LocalDynamo
from local_dynamodb.service import Dropped, Service
from tests.local_dynamodb.calls import EAST, OHIO, OREGON, client, item, server_of, stored, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REGIONS = (EAST, OHIO, OREGON)


def test_a_stopped_region_delays_no_other_and_no_end(tmp_path: Path) -> None:
    with LocalDynamo(tmp_path / "d") as dynamo:
        dynamo.create_table("t", replicas=[OHIO, OREGON])
        dynamo.set_replication_delay(0)
        dynamo.stop_region(OHIO)
        client(dynamo).put_item(TableName="t", Item=item("a", n=1))
        limit = time.monotonic() + 20
        while stored(client(dynamo, OREGON), "a") is None:
            assert time.monotonic() < limit
            time.sleep(0.01)
        dynamo.settle()
        pid = server_of(tmp_path / "d")
    wait_for_end(pid)
    with LocalDynamo(tmp_path / "d") as dynamo:
        dynamo.settle()
        assert stored(client(dynamo, OHIO), "a") == 1, "it is started with the server"


def service_in(folder: Path, *, create: bool = True) -> Service:
    """Return a service with a table in three Regions, where nothing arrives by itself."""
    service = Service(str(folder / "items.sqlite"))
    if create:
        keys = {"pk": "HASH", "sk": "RANGE"}
        definition = {
            "TableName": "t",
            "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        }
        service.call("CreateTable", EAST, definition)
        service.replicate("t", REGIONS)
        service.replication.set_delay(1000)
    return service


def put(service: Service, region: str, pk: str, number: int) -> None:
    service.call("PutItem", region, {"TableName": "t", "Item": item(pk, n=number)})


def number_in(service: Service, region: str, pk: str) -> int | None:
    found = service.call("GetItem", region, {"TableName": "t", "Key": item(pk)}).get("Item")
    return None if found is None else int(found["n"]["N"])


def step(service: Service, choose: random.Random, number: int, last: dict[str, int | None]) -> None:
    """Do something at random; `last` is the last write of each item."""
    region, pk = choose.choice(REGIONS), choose.choice("abc")
    match choose.randrange(10):
        case 0:
            service.stop_region(region)
        case 1:
            service.replication.start_region(region)
        case 2:
            service.replication.settle()
        case 3:
            service.replication.set_delay(choose.choice((0, 0.001, 1000)))
        case 4 if region not in service.replication.stopped:
            service.call("DeleteItem", region, {"TableName": "t", "Key": item(pk)})
            last[pk] = None
        case _:
            try:
                put(service, region, pk, number)
            except Dropped:
                assert region in service.replication.stopped
            else:
                last[pk] = number


@pytest.mark.parametrize("seed", range(8))
def test_all_regions_have_the_last_write_at_the_end(tmp_path: Path, seed: int) -> None:
    """After any order of writes, stops, delays and ends of the process."""
    choose, last = random.Random(seed), dict[str, int | None]()
    service = service_in(tmp_path)
    for number in range(60):
        if choose.random() < 0.05:
            service.close()
            service = service_in(tmp_path, create=False)
        step(service, choose, number, last)
    for region in REGIONS:
        service.replication.start_region(region)
    service.replication.settle()
    for region in REGIONS:
        assert {pk: number_in(service, region, pk) for pk in last} == last, region
    service.close()


def test_a_stopped_region_keeps_one_change_of_each_item(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    service.stop_region(OHIO)
    for number in range(20):
        put(service, EAST, "a", number)
    rows = sqlite3.connect(tmp_path / "items.sqlite").execute(
        "SELECT region, count(*) FROM arrivals GROUP BY 1"
    )
    assert dict(rows) == {OHIO: 1, OREGON: 20}
    service.close()


def test_a_request_and_its_replication_are_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_in(tmp_path)
    arrivals = service._store.arrivals
    failing: dict[str, Any] = {"send": arrivals.send, "supersede": arrivals.supersede}
    for name in failing:
        with monkeypatch.context() as broken:
            broken.setattr(arrivals, name, full_disk)
            with pytest.raises(sqlite3.OperationalError):
                put(service, EAST, "a", 1)
        assert number_in(service, EAST, "a") is None, name
    put(service, EAST, "a", 2)
    with monkeypatch.context() as broken:
        broken.setattr(service._store, "put", full_disk)
        with pytest.raises(sqlite3.OperationalError):
            service.replication.settle()
    service.replication.settle()
    assert [number_in(service, region, "a") for region in REGIONS] == [2, 2, 2]
    service.close()


def full_disk(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("full"), KeyError("t"), OverflowError("too large")]
)
def test_a_delivery_is_tried_again_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("local_dynamodb.replication._AFTER_ERROR", 0.01)
    service = service_in(tmp_path)
    put_item, failures = service._store.put, [1, 2, 3]

    def put_later(*arguments: Any) -> None:
        if failures:
            failures.pop()
            raise error
        put_item(*arguments)

    put(service, EAST, "a", 1)
    monkeypatch.setattr(service._store, "put", put_later)
    with service._lock, service._store.transaction():
        service._store.arrivals.hasten()
    service.replication.start_region(OHIO)  # wakes the thread
    wait_for(service, "a", 1)
    assert not failures
    service.close()


def test_a_deleted_replica_gets_no_changes(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    put(service, EAST, "a", 1)
    service.call("DeleteTable", OHIO, {"TableName": "t"})
    put(service, EAST, "b", 2)
    assert service._store.replicas["t"] == (EAST, OREGON)
    service.replication.settle()
    assert [number_in(service, OREGON, pk) for pk in "ab"] == [1, 2]
    service.close()


def test_copies_have_what_the_table_has_and_what_is_on_its_way_to_it(tmp_path: Path) -> None:
    """As DynamoDB copies the items of a table into a replica that is added."""
    service = service_in(tmp_path)
    put(service, EAST, "a", 1)
    put(service, OHIO, "b", 2)
    service.replicate("t", (*REGIONS, "eu-west-1"))
    assert [number_in(service, "eu-west-1", pk) for pk in "ab"] == [1, None]
    put(service, EAST, "a", 3)
    service.replication.settle()
    for region in (*REGIONS, "eu-west-1"):
        assert [number_in(service, region, pk) for pk in "ab"] == [3, 2], region
    service.close()


def with_ttl(service: Service, **numbers: int) -> None:
    """Write item `a` in one Region; `ttl=1` has passed."""
    service.call("PutItem", EAST, {"TableName": "t", "Item": item("a", **numbers)})


STEPS: dict[str, Callable[[Service], None]] = {
    "expired": lambda service: with_ttl(service, ttl=1),
    "lasting": lambda service: with_ttl(service, n=1),
    "arrived": lambda service: service.replication.settle(),
    "stopped": lambda service: service.stop_region(OHIO),
}


@pytest.mark.parametrize(
    "steps",
    [
        "expired",
        "expired arrived",
        "lasting arrived expired",
        "expired arrived lasting",
        "expired arrived stopped",
        "expired stopped",
    ],
)
def test_the_deletion_of_expired_items_is_replicated(tmp_path: Path, steps: str) -> None:
    service = service_in(tmp_path)
    for region in REGIONS:
        setting = {"AttributeName": "ttl", "Enabled": True}
        service.call("UpdateTimeToLive", region, {"TableName": "t", "TimeToLiveSpecification": setting})
    for step_name in steps.split():
        STEPS[step_name](service)
    assert service.delete_expired() > 0
    service.replication.start_region(OHIO)
    service.replication.settle()
    read = {"TableName": "t", "Key": item("a")}
    assert [service.call("GetItem", region, read) for region in REGIONS] == [{}, {}, {}]
    service.close()


@pytest.mark.parametrize("delay", [1e10, 1e300, sys.float_info.max, 10**400], ids=range(4))
def test_a_change_that_is_due_in_centuries_stops_nothing(tmp_path: Path, delay: float) -> None:
    service = service_in(tmp_path)
    service.replication.set_delay(delay)
    put(service, EAST, "late", 1)
    service.close()
    service = service_in(tmp_path, create=False)
    service.replication.set_delay(0)
    put(service, EAST, "a", 2)
    wait_for(service, "a", 2)
    assert number_in(service, OHIO, "late") is None
    service.close()


def wait_for(service: Service, pk: str, number: int) -> None:
    limit = time.monotonic() + 20
    while [number_in(service, region, pk) for region in REGIONS] != [number] * 3:
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "1", None, True])
def test_a_delay_that_is_none_is_refused(tmp_path: Path, delay: object) -> None:
    service = service_in(tmp_path)
    with pytest.raises(ValueError, match="give a number of seconds"):
        service.replication.set_delay(delay)
    assert service.replication.delay == 1000
    service.close()
