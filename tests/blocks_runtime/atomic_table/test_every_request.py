"""Each kind of call, with a fault at its first request, its second, and so on: the outcome is always right."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb import LocalDynamo

FAULTS = (
    *("connection-lost", "outcome-unknown", "InternalServerError"),
    *("TransactionConflict", "Throttling", "unprocessed"),
)


def write_under_lock(table: AtomicTable) -> object:
    lock = table.get_lock(("p", "lock"))
    return len(table.set_atomic([Item("p", "a", 1), Item("p", "b", 2)], lock))


def move(table: AtomicTable) -> object:
    def body(tx: Any) -> int:
        item = tx.get(("p", "a"))
        tx.set(Item("p", "a", 5), Item("p", "b", item.data))
        return int(item.data)

    table.set(Item("p", "a", 1))
    return table.transaction(body), table.transaction(body)


def once(table: AtomicTable) -> object:
    def body(tx: Any) -> int:
        item = tx.get(("p", "n"))
        tx.set(Item("p", "n", (item.data if item else 0) + 1))
        return 1

    return [table.transaction(body, once="x") for _ in range(3)]


def lease(table: AtomicTable) -> object:
    with table.lease("job") as first:
        first.renew()
        table.set_atomic(Item("p", "a", "fenced"), [first])
    with table.lease("job"):
        return True


def queue(table: AtomicTable) -> object:
    mail = table.queue("mail")
    mail.push("1", "one")
    mail.push("2", "two")
    mail.push("1", "new")
    first = mail.pull()
    assert first is not None
    mail.extend(first, 100)
    mail.ack(first)
    second = mail.pull()
    assert second is not None
    mail.release(second)
    again = mail.pull()
    assert again is not None
    mail.ack(again)
    return first.data, second.data, again.deliveries, mail.pull()


def counter(table: AtomicTable) -> object:
    hits = table.counter("hits", shards=2)
    for _ in range(3):
        hits.add(4, once="a")
    hits.add(1, once="b")
    return hits.value()


def batches(table: AtomicTable) -> object:
    table.set([Item("p", f"{n:02d}", n) for n in range(40)])
    table.delete([("p", f"{n:02d}") for n in range(0, 40, 2)])
    return [item.data for item in table.query("p")], table.get_many([("p", "01"), ("p", "02")])[1]


def delete_under_lock(table: AtomicTable) -> object:
    keys = [("p", "a"), ("p", "b")]
    table.set([Item(*key, 1) for key in keys])
    lock = table.get_lock(keys[0])
    table.delete(keys)
    return table.get_many(keys), table.get_lock(keys[0]).version > lock.version


CALLS: dict[str, tuple[Callable[[AtomicTable], object], object]] = {
    "lock": (write_under_lock, 1),
    "transaction": (move, (1, 5)),
    "once": (once, [1, 1, 1]),
    "lease": (lease, True),
    "queue": (queue, ("new", "two", 2, None)),
    "counter": (counter, 5),
    "delete": (delete_under_lock, ([None, None], True)),
    "batches": (batches, (list(range(1, 40, 2)), None)),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("call", "expected"), CALLS.values(), ids=CALLS)
def test_a_fault_at_every_request(
    dynamodb_table: AtomicTable,
    dynamo: LocalDynamo,
    call: Callable[[AtomicTable], object],
    expected: object,
    fault: str,
) -> None:
    for number in itertools.count(1):
        dynamo.reset()
        armed = dynamo.inject(fault, every=number)
        assert call(dynamodb_table) == expected, f"{fault} at request {number}"
        if armed in dynamo.armed():
            break
    assert dynamodb_table.stats.unknown == 0
    assert dynamodb_table.stats.conflicts == 0, "a fault was reported as a race"
