"""A call that is repeated after its answer was lost: it succeeds if it was made, and is made if it was not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from blocks_runtime import AtomicTable, Item, Lock, Once, RaceCondition
from blocks_runtime.errors import CommitOutcomeUnknown, LeaseLost, MessageLost, OnceMismatch
from tests.blocks_runtime.atomic_table.lost import unanswered

MADE = pytest.mark.parametrize("made", [True, False], ids=["made", "not-made"])


@MADE
@pytest.mark.parametrize("call", ["ack", "release", "extend"])
def test_a_message_is_answered_again(table: AtomicTable, call: str, made: bool) -> None:
    queue = table.queue("mail")
    queue.push("a", 1)
    message = queue.pull()
    assert message is not None
    arguments = (100,) if call == "extend" else ()
    with unanswered(table, made=made), pytest.raises(CommitOutcomeUnknown):
        getattr(queue, call)(message, *arguments)
    getattr(queue, call)(message, *arguments)
    again = queue.pull()
    assert (again and again.data) == {"ack": None, "release": 1, "extend": None}[call]


def test_an_acknowledgement_is_recognized_beside_later_messages(table: AtomicTable) -> None:
    queue = table.queue("mail")
    queue.push("a", 1)
    first = queue.pull()
    assert first is not None
    with unanswered(table), pytest.raises(CommitOutcomeUnknown):
        queue.ack(first)
    queue.push("a", 2)
    second = queue.pull()
    assert second is not None
    queue.ack(first)
    queue.extend(second, 100)
    queue.ack(second)
    queue.ack(first)
    assert queue.pull() is None


def test_the_receipts_of_an_id_that_is_not_used_any_more_expire(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, now = table.queue("mail"), time.time()
    queue.push("a", 1)
    message = queue.pull()
    assert message is not None
    queue.ack(message)
    monkeypatch.setattr(time, "time", lambda: now + 2 * 24 * 3600)
    with pytest.raises(MessageLost):
        queue.ack(message)
    queue.push("a", 2)
    again = queue.pull()
    assert again is not None
    assert again.data == 2


def test_new_data_is_not_acknowledged_by_a_late_consumer(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that no consumer has received would be deleted with the message."""
    queue, now = table.queue("mail"), time.time()
    queue.push("a", "old")
    late = queue.pull(visibility=10)
    assert late is not None
    monkeypatch.setattr(time, "time", lambda: now + 11)
    queue.push("a", "new")
    for call in (queue.ack, queue.release):
        with pytest.raises(MessageLost, match="has new data"):
            call(late)
    message = queue.pull()
    assert message is not None
    assert message.data == "new"


@dataclass
class Letter:
    address: str


def test_a_message_that_does_not_fit_stays_and_is_named(table: AtomicTable) -> None:
    queue = table.queue("mail")
    queue.push("a", {"to": "ann"})
    queue.push("b", {"address": "bob"})
    for _ in range(2):
        with pytest.raises(TypeError, match=r"'a' of the queue 'mail' stays in it.*pull\(\) without a type"):
            queue.pull(Letter)
    message = queue.pull()
    assert message is not None
    assert (message.id, message.deliveries) == ("a", 1)
    queue.ack(message)
    fitting = queue.pull(Letter)
    assert fitting is not None
    assert fitting.data == Letter("bob")


@MADE
@pytest.mark.parametrize("write", ["set_atomic", "transaction"])
def test_a_write_under_a_lease_after_a_renewal_without_answer(
    table: AtomicTable, write: str, made: bool
) -> None:
    with table.lease("job", seconds=30) as lease:
        before = lease.token
        with unanswered(table, made=made), pytest.raises(CommitOutcomeUnknown):
            lease.renew(60)
        if write == "set_atomic":
            table.set_atomic(Item("p", "s", 1), [lease])
        else:
            with table.transaction() as tx:
                tx.require(lease)
                tx.set(Item("p", "s", 1))
        assert (lease.token > before) is made
        assert (lease.remaining > 30) is made


@MADE
def test_a_renewal_that_is_interrupted_is_settled(table: AtomicTable, made: bool) -> None:
    """By Ctrl-C, or with asyncio by the end of the task: no answer will come, as after a lost connection."""
    store: Any = table._connected().store
    write = store.write

    def interrupt(*arguments: Any) -> None:
        if made:
            write(*arguments)
        raise KeyboardInterrupt

    with table.lease("job", seconds=30) as lease:
        before = lease.token
        store.write = interrupt
        with pytest.raises(KeyboardInterrupt):
            lease.renew(60)
        store.write = write
        table.set_atomic(Item("p", "s", 1), [lease])
        assert (lease.token > before) is made
        lease.renew()


def test_a_transaction_may_renew_the_lease_that_it_requires(table: AtomicTable) -> None:
    with table.lease("job") as lease, table.transaction() as tx:
        tx.require(lease)
        lease.renew()
        tx.set(Item("p", "s", 1))
    assert table.get(("p", "s")) is not None


def test_a_write_under_a_lease_that_another_process_took_over(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, now = table.lease("job", seconds=30), time.time()
    lease.acquire()
    with unanswered(table, made=False), pytest.raises(CommitOutcomeUnknown):
        lease.renew()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + 31)
        with pytest.raises(LeaseLost):
            table.set_atomic(Item("p", "s", 1), [lease])
        table.lease("job", seconds=60).acquire()
    with pytest.raises(LeaseLost):
        table.set_atomic(Item("p", "s", 1), [lease])
    assert table.get(("p", "s")) is None


@pytest.mark.parametrize("later", [0, 25 * 3600], ids=["at once", "after the end of the lock"])
def test_a_repeated_once_is_recognized_under_any_lock(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    once, now = Once("order-1", payload=1, lifetime=7 * 24 * 3600), time.time()
    lock = table.get_lock(("p", "lock"))
    with unanswered(table), pytest.raises(CommitOutcomeUnknown):
        table.set_atomic(Item("p", "s", 1), lock, once=once)
    monkeypatch.setattr(time, "time", lambda: now + later)
    table.set(Item("p", "s", "by another writer"))
    (current,) = table.set_atomic(Item("p", "s", 1), lock, once=once)
    assert isinstance(current, Lock)
    assert current.version > lock.version
    item = table.get(("p", "s"))
    assert item is not None
    assert item.data == "by another writer"
    with pytest.raises(OnceMismatch):
        table.set_atomic(Item("p", "s", 1), lock, once=Once("order-1", payload=2))
    with pytest.raises(RaceCondition):
        table.set_atomic(Item("p", "s", 1), lock, once="order-2")


def test_a_repeated_once_is_recognized_after_the_lease_ended(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, now = table.lease("job", seconds=30), time.time()
    lease.acquire()
    with unanswered(table), pytest.raises(CommitOutcomeUnknown):
        table.set_atomic(Item("p", "s", 1), [lease], once="order-1")
    monkeypatch.setattr(time, "time", lambda: now + 31)
    assert table.set_atomic(Item("p", "s", 1), [lease], once="order-1") == []
    with pytest.raises(LeaseLost):
        table.set_atomic(Item("p", "s", 1), [lease], once="order-2")
