"""FIFO queues: order, one consumer for a message, receipts, timeouts, one waiting message for an id."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from blocks_runtime import AtomicTable, Message
from blocks_runtime.errors import MessageLost


def test_first_in_first_out(table: AtomicTable) -> None:
    queue = table.queue("mail")
    assert queue.pull() is None
    for number in range(5):
        queue.push(f"id-{number}", {"number": number})
    for number in range(5):
        message = queue.pull()
        assert message is not None
        assert (message.id, message.data, message.deliveries) == (f"id-{number}", {"number": number}, 1)
        queue.ack(message)
    assert queue.pull() is None
    assert table.query("mail") == []


def test_a_busy_message_does_not_hold_up_others(table: AtomicTable) -> None:
    """In the original nothing was received until the first message was acknowledged."""
    queue = table.queue("mail")
    for number in range(60):
        queue.push(str(number), number)
    received = [queue.pull() for _ in range(60)]
    assert [message and message.data for message in received] == list(range(60))
    assert queue.pull() is None


def test_a_waiting_message_is_replaced_in_place(table: AtomicTable) -> None:
    queue = table.queue("mail")
    queue.push("a", 1)
    queue.push("b", 2)
    queue.push("a", 3)
    first, second = queue.pull(), queue.pull()
    assert first is not None
    assert second is not None
    assert [(first.id, first.data), (second.id, second.data)] == [("a", 3), ("b", 2)]
    assert queue.pull() is None


def test_a_message_that_is_processed_gets_a_successor(table: AtomicTable) -> None:
    queue = table.queue("mail")
    queue.push("a", 1)
    first = queue.pull()
    assert first is not None
    queue.push("a", 2)
    queue.push("a", 3)
    assert queue.pull() is None, "two messages with one id must not be processed at the same time"
    queue.ack(first)
    second = queue.pull()
    assert second is not None
    assert second.data == 3
    queue.ack(second)
    queue.push("a", 4)
    third = queue.pull()
    assert third is not None
    assert third.data == 4


def test_a_message_becomes_visible_again(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = table.queue("mail")
    queue.push("a", 1)
    queue.push("b", 2)
    first, now = queue.pull(visibility=10), time.time()
    assert first is not None
    monkeypatch.setattr(time, "time", lambda: now + 11)
    again = queue.pull()
    assert again is not None
    assert (again.id, again.deliveries) == ("a", 2)
    for late in (queue.ack, queue.release):
        with pytest.raises(MessageLost):
            late(first)
    queue.ack(again)
    with pytest.raises(MessageLost):
        queue.ack(first)


def test_release_and_extend(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = table.queue("mail")
    queue.push("a", 1)
    first = queue.pull(visibility=10)
    assert first is not None
    queue.release(first)
    second, now = queue.pull(visibility=10), time.time()
    assert second is not None
    queue.extend(second, 100)
    monkeypatch.setattr(time, "time", lambda: now + 50)
    assert queue.pull() is None
    queue.ack(second)


def test_many_consumers_receive_each_message_once(table: AtomicTable) -> None:
    queue, received, lock = table.queue("work"), list[Message[int]](), threading.Lock()
    for number in range(20):
        queue.push(str(number), number)

    def consume(_: int) -> None:
        while (message := queue.pull(int)) is not None:
            with lock:
                received.append(message)
            queue.ack(message)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(consume, range(4)))
    while (left := queue.pull(int)) is not None:  # a consumer ends when all others are at work
        received.append(left)
        queue.ack(left)
    assert sorted(message.data for message in received) == list(range(20))


def test_many_producers(table: AtomicTable) -> None:
    queue = table.queue("work")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: queue.push(str(number), number), range(20)))
    seen = []
    while (message := queue.pull()) is not None:
        seen.append(message.data)
    assert sorted(seen) == list(range(20))


def test_arguments(table: AtomicTable) -> None:
    queue = table.queue("mail")
    with pytest.raises(TypeError, match="float"):
        queue.push("a", 0.5)
    with pytest.raises(ValueError, match="visibility"):
        queue.pull(visibility=0)
    with pytest.raises(ValueError, match="id is empty"):
        queue.push("", 1)
