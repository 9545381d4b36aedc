"""A cut connection or lost answer at every message: no half-written pair, and no wrong verdict."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, DistributedDatabase, Item, RaceCondition, TableTransaction
from blocks_runtime.atomic_table import requests, sql
from blocks_runtime.errors import (
    CommitOutcomeUnknown,
    ConnectionFailed,
    DeadlineExceeded,
    SerializationFailure,
    ServerUnavailable,
    Throttled,
    UniqueConstraintViolation,
)
from blocks_runtime.shared.retry import CONFLICTS
from tests.blocks_runtime.atomic_table.conftest import STORES
from tests.support.relay import Direction, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dynamodb import LocalDynamo


def move(tx: TableTransaction) -> int:
    """Move one from an item to the other; the sum stays zero."""
    one, other = tx.get_many([("pair", "a"), ("pair", "b")])
    assert one is not None
    assert other is not None
    tx.set(one.with_data(one.data + 1), other.with_data(other.data - 1))
    return int(one.data) + 1


def state(table: AtomicTable) -> tuple[Any, ...]:
    return tuple(item.data for item in table.query("pair"))


def start(table: AtomicTable) -> None:
    table.set([Item("pair", "a", 0), Item("pair", "b", 0)])


CUTS = ["connection-lost", "outcome-unknown"]


@pytest.mark.parametrize("fault", CUTS)
@pytest.mark.parametrize("operation", ["TransactGetItems", "TransactWriteItems"])
def test_a_cut_transaction_takes_effect_once(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, fault: str, operation: str
) -> None:
    start(dynamodb_table)
    dynamo.inject(fault, operation=operation, times=2)
    assert dynamodb_table.transaction(move) == 1
    assert state(dynamodb_table) == (1, -1)
    assert dynamodb_table.stats.conflicts == 0
    assert not dynamo.armed()


@pytest.mark.parametrize("fault", CUTS)
def test_a_lost_answer_is_settled_by_version_without_tokens(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, fault: str
) -> None:
    """Some emulators ignore tokens: the repetition meets the transaction's own versions."""
    start(dynamodb_table)
    dynamo.inject("token-forgotten", times=None)
    dynamo.inject(fault, operation="TransactWriteItems")
    dynamodb_table.transaction(move)
    assert state(dynamodb_table) == (1, -1)


def test_a_lost_answer_is_no_race_though_others_write(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo
) -> None:
    """The item has been written again when the request is repeated: the token still tells that it took effect."""
    start(dynamodb_table)
    dynamo.inject("outcome-unknown", operation="TransactWriteItems")
    lock = dynamodb_table.get_lock(("pair", "lock"))
    assert dynamo.armed() == {}
    dynamo.inject("outcome-unknown", operation="TransactWriteItems")
    (written,) = dynamodb_table.set_atomic([Item("pair", "a", 7), Item("pair", "b", -7)], lock)
    assert dynamodb_table.get_lock(("pair", "lock")) == written
    assert state(dynamodb_table) == (7, -7)


@pytest.mark.parametrize("fault", CUTS)
def test_batches_survive_cuts(dynamodb_table: AtomicTable, dynamo: LocalDynamo, fault: str) -> None:
    dynamo.inject(fault, every=2, times=3)
    dynamodb_table.set([Item("many", f"{n:02d}", n) for n in range(60)])
    assert [item.data for item in dynamodb_table.query("many")] == list(range(60))


def test_unprocessed_items_and_keys_are_sent_again(dynamodb_table: AtomicTable, dynamo: LocalDynamo) -> None:
    dynamo.inject("unprocessed", times=6)
    dynamodb_table.set([Item("many", f"{n:02d}", n) for n in range(30)])
    dynamo.inject("unprocessed", times=6)
    items = dynamodb_table.get_many([("many", f"{n:02d}") for n in range(30)])
    assert [item and item.data for item in items] == list(range(30))
    dynamo.inject("unprocessed", times=None)
    with pytest.raises(DeadlineExceeded, match="unprocessed"):
        dynamodb_table.set([Item("many", f"{n:02d}", n) for n in range(30)], deadline=0.3)


PASSING = {
    "TransactionConflict": SerializationFailure,
    "Throttling": Throttled,
}


@pytest.mark.parametrize(("fault", "error"), PASSING.items(), ids=PASSING)
def test_passing_reasons_are_repeated_and_no_race(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, fault: str, error: type[Exception]
) -> None:
    start(dynamodb_table)
    dynamo.inject(fault, operation="TransactWriteItems", times=3)
    dynamodb_table.transaction(move)
    assert (dynamodb_table.stats.retries, dynamodb_table.stats.conflicts) == (3, 0)
    dynamo.inject(fault, operation="TransactWriteItems", times=None)
    with pytest.raises((error, DeadlineExceeded)) as caught:
        dynamodb_table.transaction(move, deadline=0.5)
    assert not isinstance(caught.value, RaceCondition)
    assert isinstance(caught.value.__cause__ or caught.value, error)
    assert state(dynamodb_table) == (1, -1)


def test_an_addition_is_not_repeated(dynamodb_table: AtomicTable, dynamo: LocalDynamo) -> None:
    counter = dynamodb_table.counter("hits")
    counter.add()
    dynamo.inject("outcome-unknown", operation="UpdateItem")
    with pytest.raises(CommitOutcomeUnknown):
        counter.add()
    assert counter.value() == 2
    dynamo.inject("outcome-unknown", operation="TransactWriteItems")
    counter.add(once="third")
    assert counter.value() == 3
    assert dynamodb_table.stats.unknown == 1


def test_a_write_without_any_answer_is_unknown(dynamodb_table: AtomicTable, dynamo: LocalDynamo) -> None:
    start(dynamodb_table)
    dynamo.inject("outcome-unknown", operation="TransactWriteItems", times=None)
    with pytest.raises(CommitOutcomeUnknown) as caught:
        dynamodb_table.transaction(move, retry_on_conflict=True, deadline=0.5)
    assert caught.value.commit_unknown
    dynamo.inject("connection-lost", operation="GetItem", times=None)
    with pytest.raises((ConnectionFailed, DeadlineExceeded)):
        dynamodb_table.get(("pair", "a"), deadline=0.3)


def test_an_unreachable_endpoint_writes_nothing(
    dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    with AtomicTable("locks") as table, pytest.raises(ConnectionFailed, match="cannot connect"):
        table.set_atomic(Item("p", "s", 1), deadline=0.3)


def test_the_deadline_of_a_table_is_that_of_every_request(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo
) -> None:
    dynamo.inject("outcome-unknown", times=None)
    started = time.monotonic()
    with AtomicTable("locks", request_deadline=0.3) as table:
        with pytest.raises(CommitOutcomeUnknown):
            table.set_atomic(Item("p", "s", 1))
        with pytest.raises(ConnectionFailed):
            table.queue("mail").pull()
    assert time.monotonic() - started < 5
    with pytest.raises(ValueError, match="request_deadline"):
        AtomicTable("locks", request_deadline=0)


STEPS: dict[str, Callable[[AtomicTable, Any], object]] = {
    "push": lambda table, _: table.queue("mail").push("2", "two"),
    "ack": lambda table, message: table.queue("mail").ack(message),
    "release": lambda table, message: table.queue("mail").release(message),
    "extend": lambda table, message: table.queue("mail").extend(message, 30),
    "counter": lambda table, _: table.counter("hits").add(1, once="click"),
    "transaction": lambda table, _: table.transaction(move, retry_on_conflict=True, max_retries=50),
}
"""Calls that run a transaction again after a race."""


@pytest.mark.parametrize("fault", ["connection-lost", "Throttling", "InternalServerError"])
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_that_lasts_ends_at_the_deadline_of_the_table(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, step: str, fault: str
) -> None:
    start(dynamodb_table)
    dynamodb_table.queue("mail").push("1", "one")
    message = dynamodb_table.queue("mail").pull()
    dynamo.inject(fault, times=None)
    with AtomicTable("locks", request_deadline=0.1) as table:
        with pytest.raises((ConnectionFailed, DeadlineExceeded, Throttled, CommitOutcomeUnknown)):
            STEPS[step](table, message)
        assert table.stats.statements < 15, "requests of one step with its repetitions, not of 51"


RETRIES = 4
LASTING: dict[str, tuple[str, str, Any, int]] = {
    "dynamodb": ("dynamo", "TransactionConflict", requests.BACKOFF, requests.REPEATS),
    "dsql": ("cluster", "OC000", CONFLICTS, 5),
}
"""The service, its conflict, the wait after it, and the repetitions of one write; 50 on DSQL, which take long."""


@pytest.mark.parametrize("store", STORES)
def test_a_conflict_that_lasts_is_not_multiplied_by_retries(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """The repetitions of a write, and the runs of the function, are added: they share one budget."""
    table: AtomicTable = request.getfixturevalue(f"{store}_table")
    service, fault, backoff, repetitions = LASTING[store]
    monkeypatch.setattr(type(backoff), "wait", lambda *_: 0.0)
    if store == "dsql":
        monkeypatch.setattr(sql, "_CONFLICTS", repetitions)
    start(table)
    writes: list[int] = []
    counted(monkeypatch, table._connected().store, writes)
    running: Any = request.getfixturevalue(service)
    number = running.inject(fault, times=None)
    try:
        with pytest.raises(SerializationFailure) as caught:
            table.transaction(move, retry_on_conflict=True, max_retries=RETRIES)
    finally:
        running.remove(number) if store == "dynamodb" else running.clear_injections(number)
    assert not isinstance(caught.value, RaceCondition)
    assert caught.value.attempts == 1 + RETRIES
    assert len(writes) == 1 + repetitions + RETRIES


def test_rows_that_others_insert_on_every_attempt_are_a_conflict(
    dsql_table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Any, tx: Any) -> None:
        raise UniqueConstraintViolation("a row was inserted meanwhile")

    monkeypatch.setattr(sql._Attempt, "run", run)
    monkeypatch.setattr(sql, "_CONFLICTS", 2)
    with pytest.raises(SerializationFailure, match="inserted one of the rows") as caught:
        dsql_table.set_atomic(Item("p", "s", 1))
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, UniqueConstraintViolation)


def counted(monkeypatch: pytest.MonkeyPatch, store: Any, writes: list[int]) -> None:
    """Count the attempts of atomic writes."""
    if isinstance(store, sql.SqlStore):
        run = sql._Attempt.run

        def counted_run(self: Any, tx: Any) -> Any:
            writes.append(1)
            return run(self, tx)

        monkeypatch.setattr(sql._Attempt, "run", counted_run)
        return
    exchange = store.client._exchange

    def counted_exchange(request: Any, deadline: float) -> Any:
        writes.extend([1] * (request.operation == "TransactWriteItems"))
        return exchange(request, deadline)

    monkeypatch.setattr(store.client, "_exchange", counted_exchange)


@pytest.mark.parametrize("step", STEPS)
def test_a_conflict_that_lasts_ends_at_the_deadline(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, step: str
) -> None:
    """Of the call, or without one of the table for what consists of several requests."""
    start(dynamodb_table)
    dynamodb_table.queue("mail").push("1", "one")
    message = dynamodb_table.queue("mail").pull()
    dynamo.inject("TransactionConflict", times=None)
    started = time.monotonic()
    with AtomicTable("locks", request_deadline=0.1) as table:
        with pytest.raises((SerializationFailure, DeadlineExceeded, CommitOutcomeUnknown)) as caught:
            if step == "transaction":
                table.transaction(move, retry_on_conflict=True, max_retries=10_000, deadline=0.3)
            else:
                STEPS[step](table, message)
    assert not isinstance(caught.value, RaceCondition)
    assert time.monotonic() - started < 3


def test_errors_of_the_service_are_repeated(dynamodb_table: AtomicTable, dynamo: LocalDynamo) -> None:
    start(dynamodb_table)
    dynamo.inject("InternalServerError", times=3)
    dynamodb_table.transaction(move)
    assert state(dynamodb_table) == (1, -1)
    assert issubclass(Throttled, ServerUnavailable)


def test_a_connection_that_was_idle_for_long_is_replaced(
    dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb_table.set(Item("p", "s", 1))
    assert (dynamodb_table.stats.connects, dynamodb_table.stats.idle) == (1, 1)
    dynamodb_table.get(("p", "s"))
    assert dynamodb_table.stats.connects == 1
    later = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: later)
    dynamodb_table.get(("p", "s"))
    assert (dynamodb_table.stats.connects, dynamodb_table.stats.replaced) == (2, 1)


# The same over Aurora DSQL, with the connection cut at every message.


@pytest.fixture
def through(
    table_in_cluster: object, wire: Relay, dsql_table: AtomicTable
) -> Iterator[Callable[[], AtomicTable]]:
    """Return a function that makes tables which are connected through the relay."""
    made: list[DistributedDatabase] = []

    def make() -> AtomicTable:
        made.append(DistributedDatabase("main"))
        made[-1].warm_up()
        return AtomicTable("items_of_table", database=made[-1])

    yield make
    for database in made:
        database.close()


@pytest.mark.parametrize("direction", Direction)
def test_a_cut_at_every_message_of_dsql(
    through: Callable[[], AtomicTable], wire: Relay, dsql_table: AtomicTable, direction: Direction
) -> None:
    for number in itertools.count(1):
        start(dsql_table)
        table = through()
        wire.lose_next(direction, number)
        try:
            assert table.transaction(move, retry_on_conflict=True) == 1
        except RaceCondition:
            pytest.fail(f"message {number}: a race was reported, though there is only one writer")
        except (CommitOutcomeUnknown, ConnectionFailed):
            assert state(dsql_table) in ((0, 0), (1, -1)), f"message {number}"
        else:
            assert state(dsql_table) == (1, -1), f"message {number}"
        if wire.armed:
            break
    assert number > 4


WRITES: dict[str, Callable[[AtomicTable], object]] = {
    "set": lambda table: table.set([Item("pair", "a", 1), Item("pair", "b", -1)], deadline=0.3),
    "delete": lambda table: table.delete([("pair", "a"), ("pair", "b")], deadline=0.3),
    "set_atomic": lambda table: table.set_atomic(Item("pair", "a", 1), deadline=0.3),
    "transaction": lambda table: table.transaction(move, deadline=0.3),
    "counter": lambda table: table.counter("c").add(1, deadline=0.3),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_deadline_after_any_message_of_dsql_leaves_no_write_unknown_in_silence(
    through: Callable[[], AtomicTable], wire: Relay, dsql_table: AtomicTable, write: str
) -> None:
    """The server carries out what was sent, and its answer comes after the deadline."""

    def written() -> object:
        return state(dsql_table), dsql_table.counter("c").value()

    unknown = 0
    for number in itertools.count(1):
        start(dsql_table)
        before, table = written(), through()
        wire.stop_at(number, Direction.ANSWER)
        try:
            WRITES[write](table)
        except CommitOutcomeUnknown:
            unknown += 1
            assert table.stats.unknown == 1
        except (DeadlineExceeded, ConnectionFailed) as error:
            wire.go_on()
            # The first answer to `delete` is that to the deletion; then it reads locks.
            assert written() == before or (write == "delete" and number > 1), f"message {number}: {error}"
        wire.go_on()
        if wire.armed:
            break
    assert unknown > 0
