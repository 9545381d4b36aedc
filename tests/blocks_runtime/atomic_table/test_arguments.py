"""Arguments of another type: named in words where they are given, before any request, on each store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from blocks_runtime import (
    AsyncAtomicTable,
    AsyncDistributedDatabase,
    AtomicTable,
    DistributedDatabase,
    Item,
    Lock,
    Once,
)
from blocks_runtime.atomic_table.client import Request
from blocks_runtime.atomic_table.failures import classify
from blocks_runtime.atomic_table.items import Record
from blocks_runtime.atomic_table.keys import Key
from blocks_runtime.atomic_table.messages import Message, Row

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Letter:
    address: str
    text: str
    stamp: int = 1


@dataclass(frozen=True)
class Mark:
    name: str


class Point(NamedTuple):
    x: int
    y: int


KEY = ("p", "s")
NEW = Item(*KEY, 1)

OPTIONS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "empty name": (lambda: AtomicTable(""), ValueError, "name is empty; give the id of the construct"),
    "name": (lambda: AtomicTable(5), TypeError, "name is of type int"),  # type: ignore[arg-type]
    "deadline of requests as text": (
        lambda: AtomicTable("locks", request_deadline="2"),  # type: ignore[arg-type]
        TypeError,
        "request_deadline is of type str; give a number of seconds",
    ),
    "deadline of requests": (
        lambda: AtomicTable("locks", request_deadline=float("nan")),
        ValueError,
        "request_deadline is nan s",
    ),
    "connections as text": (
        lambda: AtomicTable("locks", max_connections="5"),  # type: ignore[arg-type]
        TypeError,
        "max_connections is of type str",
    ),
    "connections": (lambda: AtomicTable("locks", max_connections=0), ValueError, "give 1 or more"),
    "database": (
        lambda: AtomicTable("locks", database="main"),  # type: ignore[arg-type]
        TypeError,
        "database is of type str; give an object of DistributedDatabase",
    ),
    "database for asyncio": (
        lambda: AtomicTable("locks", database=AsyncDistributedDatabase("main")),  # type: ignore[arg-type]
        TypeError,
        "database is of type AsyncDistributedDatabase",
    ),
    "database for threads": (
        lambda: AsyncAtomicTable("locks", database=DistributedDatabase("main")),  # type: ignore[arg-type]
        TypeError,
        "give an object of AsyncDistributedDatabase",
    ),
    "id of once": (lambda: Once(5), TypeError, "is text, not int"),  # type: ignore[arg-type]
    "empty id of once": (lambda: Once(""), ValueError, "an id is empty"),
    "payload of once": (lambda: Once("a", payload=0.5), TypeError, "payload is a float"),
    "lifetime of once": (
        lambda: Once("a", lifetime="day"),  # type: ignore[arg-type]
        TypeError,
        "lifetime is of type str",
    ),
}


@pytest.mark.parametrize(("call", "error", "says"), OPTIONS.values(), ids=OPTIONS)
def test_options_are_checked_at_once(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    "version as text": (lambda t: t.set_atomic(Item(*KEY, 1, version="5")), "version is of type str"),  # type: ignore[arg-type]
    "version of set": (lambda t: t.set(Item(*KEY, 1, version="5")), "version is of type str"),  # type: ignore[arg-type]
    "version in a transaction": (
        lambda t: t.transaction(lambda tx: tx.set(Item(*KEY, 1, version=1.0))),  # type: ignore[arg-type]
        "version is of type float",
    ),
    "version of a lock": (
        lambda t: t.set_atomic(NEW, Lock(*KEY, "5", 2**40)),  # type: ignore[arg-type]
        "version of the lock is of type str",
    ),
    "expiry of a lock": (
        lambda t: t.transaction(lambda tx: tx.require(Lock(*KEY, 5, "never"))),  # type: ignore[arg-type]
        "expires_at of the lock is of type str",
    ),
    "data in place of an item": (lambda t: t.set(Letter("ann", "hi")), "given as Item.*, not as Letter"),
    "a tuple in place of an item": (lambda t: t.set(Point(1, 2)), "given as Item.*, not as Point"),
    "data in a transaction": (
        lambda t: t.transaction(lambda tx: tx.set(Letter("ann", "hi"))),
        "given as Item.*, not as Letter",
    ),
    "a list in a transaction": (
        lambda t: t.transaction(lambda tx: tx.set([NEW])),
        "given as Item.*not as list",
    ),
    "a class as data": (lambda t: t.set(Item(*KEY, Letter)), "data is the class Letter; give an instance"),
    "a set of objects": (
        lambda t: t.set(Item(*KEY, {"marks": {Mark("a")}})),
        "data.marks is a set with a Mark.*store a list",
    ),
    "a set of pairs": (lambda t: t.set(Item(*KEY, {("a", 1)})), "data is a set with a tuple"),
    "key": (lambda t: t.get("p"), "a key is a pair of strings.*not str"),
    "class of the data": (
        lambda t: t.get(KEY, Letter("a", "b")),
        "data_type is of type Letter; give the class",
    ),
    "a union as class": (lambda t: t.get(KEY, Letter | None), "data_type is of type UnionType"),
    "class in a transaction": (
        lambda t: t.transaction(lambda tx: tx.get(KEY, "Letter")),
        "data_type is of type str",
    ),
    "consistency": (lambda t: t.get(KEY, consistent="no"), "consistent is of type str; give True or False"),
    "consistency of many": (lambda t: t.get_many([KEY], consistent=0), "consistent is of type int"),
    "one key for many": (lambda t: t.get_many(KEY), "several keys are given as a list, not as tuple"),
    "an item for many": (lambda t: t.get_many(NEW), "several keys are given as a list, not as Item"),
    "no keys": (lambda t: t.get_many(5), "several keys are given as a list, not int"),
    "no key": (lambda t: t.delete(None), "several keys are given as a list, not NoneType"),
    "partition": (lambda t: t.query(KEY), "pk is of type tuple; give text"),
    "prefix": (lambda t: t.query("p", 5), "prefix is of type int"),
    "order": (lambda t: t.query("p", reverse="yes"), "reverse is of type str"),
    "limit": (lambda t: t.query("p", limit=True), "limit is of type bool"),
    "partition of a stream": (lambda t: t.stream(5), "pk is of type int"),
    "place of a stream": (lambda t: t.stream("p", after=5), "after is of type int"),
    "class of a stream": (lambda t: t.stream("p", data_type=5), "data_type is of type int"),
    "deadline of a stream": (lambda t: t.stream("p", deadline="2"), "deadline is a str"),
    "deadline": (lambda t: t.get(KEY, deadline=True), "deadline is a bool"),
    "function": (lambda t: t.transaction(5), "fn is of type int; give a function"),
    "retries": (lambda t: t.transaction(lambda _: 1, True, "3"), "max_retries is of type str"),
    "retries of a decorator": (lambda t: t.transactional(max_retries="3"), "max_retries is of type str"),
    "whether to retry": (lambda t: t.transaction(lambda _: 1, 3), "retry_on_conflict is of type int"),
    "lease of asyncio": (
        lambda t: t.transaction(lambda tx: tx.require(asyncio.Condition())),
        "a lock is a Lock or a Lease, not Condition",
    ),
    "name of a lease": (lambda t: t.lease(5), "a name or an id is text, not int"),
    "wait for a lease": (lambda t: t.lease("job", wait="5"), "wait is of type str"),
    "owner of a lease": (lambda t: t.lease("job", owner=5), "owner is of type int"),
    "shards as text": (lambda t: t.counter("c", shards="8"), "shards is of type str"),
    "a part of a shard": (lambda t: t.counter("c", shards=2.5), "shards is of type float"),
    "name of a queue": (lambda t: t.queue(5), "a name or an id is text, not int"),
    "seconds in place of a class": (lambda t: t.queue("q").pull(60), "data_type is of type int"),
    "visibility": (lambda t: t.queue("q").pull(visibility="5"), "visibility is of type str"),
    "longer visibility": (lambda t: t.queue("q").extend(None, "5"), "visibility is of type str"),
}


@pytest.mark.parametrize(("call", "says"), CALLS.values(), ids=CALLS)
def test_a_value_of_another_type_is_named_before_any_request(
    table: AtomicTable, call: Callable[[AtomicTable], object], says: str
) -> None:
    before = table.stats.statements
    with pytest.raises(TypeError, match=says):
        call(table)
    assert table.stats.statements == before


def test_a_message_that_lacks_a_field_names_it(table: AtomicTable) -> None:
    queue = table.queue("mail")
    queue.push("a", {"address": "secret street", "colour": "red"})
    with pytest.raises(TypeError) as caught:
        queue.pull(Letter)
    assert str(caught.value) == (
        "the message 'a' of the queue 'mail' stays in it: the data does not fit Letter: it has no entry 'text', and "
        "Letter has no field 'colour'; give new fields default values, keep removed ones, or read the data without a "
        "type; or receive it by pull() without a type, and acknowledge it"
    )


SECRET = "4111-1111"
SHOWN: dict[str, object] = {
    "item": Item("p", "s", {"card": SECRET}),
    "message": Message("a", {"card": SECRET}, "receipt", 1, "0001"),
    "row": Row("a", SECRET),
    "record": Record(Key("p", "s"), {"S": SECRET}, 1),
    "once": Once("a", payload=SECRET),
    "request": Request.of("PutItem", {"Item": {"data": {"S": SECRET}}}),
    "failure": classify(
        400,
        {
            "__type": "TransactionCanceledException",
            "CancellationReasons": [{"Code": "ConditionalCheckFailed", "Item": {"data": {"S": SECRET}}}],
        },
    ),
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_no_repr_has_data(shown: object) -> None:
    assert SECRET not in repr(shown)
    assert SECRET not in str(shown)
    assert SECRET not in repr([shown])
