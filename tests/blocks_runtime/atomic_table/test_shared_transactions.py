"""Tasks and threads that share one transaction: every order of their calls, and of other writers, against a model.

A gate holds each read of the store before it is sent, and its answer, so that the order is exact.
"""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import Item, RaceCondition
from blocks_runtime.errors import TransactionAborted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from blocks_runtime import AsyncAtomicTable, AsyncTableTransaction, AtomicTable, TableTransaction
    from tests.blocks_runtime.atomic_table.conftest import Scene

READERS = (("x",), ("x", "y"), ("y", "z"), ("x", "y", "z"), ("z",))
"""The keys that each reader reads in one call."""
KEYS = ("x", "y", "z")
SEEDS = range(15)
PATIENCE = 20

Step = tuple[str, int | str]
READER: ContextVar[int | None] = ContextVar("reader", default=None)


def steps_of(seed: int) -> list[Step]:
    """Return a random order: each reader asks, reads and is answered; others write, or the transaction itself does."""
    choose = random.Random(seed)
    queues: list[list[Step]] = [
        [("ask", reader), ("read", reader), ("answer", reader)]
        for reader in choose.sample(range(len(READERS)), choose.randint(2, 4))
    ]
    for _ in range(choose.randint(1, 3)):
        queues.append([(choose.choice(["write", "write", "set", "delete"]), choose.choice(KEYS))])
    order = choose.sample([queue for queue in queues for _ in queue], sum(map(len, queues)))
    return [queue.pop(0) for queue in order]


SCHEDULES: dict[str, list[Step]] = {
    "lost update": [
        *(("ask", 0), ("ask", 1), ("read", 0), ("answer", 0)),
        *(("write", "x"), ("read", 1), ("answer", 1)),
    ],
    "late answer": [
        *(("ask", 0), ("ask", 1), ("read", 0), ("write", "x")),
        *(("read", 1), ("answer", 1), ("answer", 0)),
    ],
    "set during a read": [("ask", 0), ("read", 0), ("set", "x"), ("write", "x"), ("answer", 0)],
    "delete during a read": [("ask", 3), ("delete", "y"), ("read", 3), ("write", "y"), ("answer", 3)],
    **{f"seed {seed}": steps_of(seed) for seed in SEEDS},
}


@dataclass
class Model:
    """A transaction as it must be; the data of an item is the number of its writes, None if it is deleted."""

    stored: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    asked: dict[int, dict[str, int | None]] = field(default_factory=dict)
    first: dict[str, int | None] = field(default_factory=dict)
    written: dict[str, int | None] = field(default_factory=dict)

    def ask(self, reader: int) -> bool:
        """Return whether a reader has to ask the store."""
        known = self.first | self.written
        self.asked[reader] = {key: None for key in READERS[reader] if key not in known}
        return bool(self.asked[reader])

    def read(self, reader: int) -> None:
        """Read what a reader has asked for."""
        self.asked[reader] = {key: self.stored[key] for key in self.asked[reader]}

    def answer(self, reader: int) -> list[int | None]:
        """Return what a reader must see: own writes, then what was read first."""
        for key, number in self.asked[reader].items():
            if key not in self.written:
                self.first.setdefault(key, number)
        seen = self.first | self.written
        return [seen[key] for key in READERS[reader]]

    def write(self, key: str) -> None:
        """Write in another transaction."""
        self.stored[key] = (self.stored[key] or 0) + 1

    def commits(self) -> bool:
        """Return whether the transaction commits, and apply its writes then."""
        if any(self.stored[key] != number for key, number in self.first.items()):
            return False
        self.stored |= self.written
        return True

    def play(self, tx: TableTransaction | AsyncTableTransaction, steps: Sequence[Step]) -> Iterator[Step]:
        """Carry out the writes of the transaction, and yield the other steps; at the end, add one to what was read."""
        asking: set[int | str] = set()
        for kind, subject in steps:
            if kind == "ask" and self.ask(int(subject)):
                asking.add(subject)
                yield kind, subject
            elif kind == "write" or subject in asking:
                yield kind, subject
            elif kind == "set":
                self._set(tx, str(subject), 1000)
            elif kind == "delete":
                self.written[str(subject)] = None
                tx.delete(("c", str(subject)))
        for key, number in self.first.items():
            if key not in self.written:
                self._set(tx, key, (number or 0) + 1)

    def _set(self, tx: TableTransaction | AsyncTableTransaction, key: str, number: int) -> None:
        self.written[key] = number
        tx.set(Item("c", key, number))


def numbers(items: Sequence[Item[Any] | None]) -> list[int | None]:
    return [None if item is None else int(item.data) for item in items]


ZEROS = [Item("c", key, 0) for key in KEYS]
ALL = [("c", key) for key in KEYS]


def keys_of(reader: int) -> list[tuple[str, str]]:
    return [("c", key) for key in READERS[reader]]


def check(model: Model, committed: bool, found: Sequence[Item[Any] | None]) -> None:
    """Compare the outcome and the stored items with the model."""
    assert committed is model.commits()
    assert dict(zip(KEYS, numbers(found), strict=True)) == model.stored


class ThreadGate:
    """Holds the reads of threads: one event for each reader and point."""

    def __init__(self) -> None:
        self._events = {
            (reader, point): threading.Event()
            for reader in range(len(READERS))
            for point in ("asked", "read", "done", "answered")
        }

    def open(self, reader: int, point: str) -> None:
        """Let a reader pass a point."""
        self._events[reader, point].set()

    def wait(self, reader: int, point: str) -> None:
        """Wait until a reader may pass, or has passed, a point."""
        assert self._events[reader, point].wait(PATIENCE)

    def hold(self, read: Callable[..., Any]) -> Callable[..., Any]:
        """Return a read that waits until its answer may be used."""

        def held(*args: Any, **options: Any) -> Any:
            reader = READER.get()
            if reader is None:
                return read(*args, **options)
            READER.set(None)  # a snapshot may be made of reads
            self.open(reader, "asked")
            self.wait(reader, "read")
            found = read(*args, **options)
            self.open(reader, "done")
            self.wait(reader, "answered")
            return found

        return held


class TaskGate:
    """Holds the reads of tasks, in the same way."""

    def __init__(self) -> None:
        self._events = {
            (reader, point): asyncio.Event()
            for reader in range(len(READERS))
            for point in ("asked", "read", "done", "answered")
        }

    def open(self, reader: int, point: str) -> None:
        """Let a reader pass a point."""
        self._events[reader, point].set()

    async def wait(self, reader: int, point: str) -> None:
        """Wait until a reader may pass, or has passed, a point."""
        await asyncio.wait_for(self._events[reader, point].wait(), PATIENCE)

    def hold(self, read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return a read that waits until its answer may be used."""

        async def held(*args: Any, **options: Any) -> Any:
            reader = READER.get()
            if reader is None:
                return await read(*args, **options)
            READER.set(None)
            self.open(reader, "asked")
            await self.wait(reader, "read")
            found = await read(*args, **options)
            self.open(reader, "done")
            await self.wait(reader, "answered")
            return found

        return held


def guard(gate: ThreadGate | TaskGate, store: Any, patch: pytest.MonkeyPatch) -> None:
    """Put a gate before the reads of a store."""
    for name in ("read", "snapshot"):
        patch.setattr(store, name, gate.hold(getattr(store, name)))


@pytest.mark.parametrize("steps", SCHEDULES.values(), ids=SCHEDULES)
def test_threads_see_one_version(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch, steps: Sequence[Step]
) -> None:
    table.set(ZEROS)
    gate, model = ThreadGate(), Model()
    guard(gate, table._connected().store, monkeypatch)

    def work(tx: TableTransaction) -> None:
        def read(reader: int) -> list[int | None]:
            READER.set(reader)
            return numbers(tx.get_many(keys_of(reader)))

        with ThreadPoolExecutor(len(READERS)) as pool:
            readers = {}
            for kind, subject in model.play(tx, steps):
                if kind == "ask":
                    readers[subject] = pool.submit(read, int(subject))
                    gate.wait(int(subject), "asked")
                elif kind == "read":
                    gate.open(int(subject), "read")
                    gate.wait(int(subject), "done")
                    model.read(int(subject))
                elif kind == "answer":
                    gate.open(int(subject), "answered")
                    assert readers[subject].result(PATIENCE) == model.answer(int(subject))
                else:
                    model.write(str(subject))
                    table.set(Item("c", str(subject), model.stored[str(subject)]))

    committed = True
    try:
        table.transaction(work)
    except RaceCondition:
        committed = False
    check(model, committed, table.get_many(ALL))


@pytest.mark.parametrize("steps", SCHEDULES.values(), ids=SCHEDULES)
def test_tasks_see_one_version(
    run: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch, steps: Sequence[Step]
) -> None:
    async def scene(table: AsyncAtomicTable) -> None:
        await table.set(ZEROS)
        gate, model = TaskGate(), Model()
        guard(gate, table._connected().store, monkeypatch)

        async def work(tx: AsyncTableTransaction) -> None:
            async def read(reader: int) -> list[int | None]:
                READER.set(reader)
                return numbers(await tx.get_many(keys_of(reader)))

            readers = {}
            for kind, subject in model.play(tx, steps):
                if kind == "ask":
                    readers[subject] = asyncio.create_task(read(int(subject)))
                    await gate.wait(int(subject), "asked")
                elif kind == "read":
                    gate.open(int(subject), "read")
                    await gate.wait(int(subject), "done")
                    model.read(int(subject))
                elif kind == "answer":
                    gate.open(int(subject), "answered")
                    assert await readers[subject] == model.answer(int(subject))
                else:
                    model.write(str(subject))
                    await table.set(Item("c", str(subject), model.stored[str(subject)]))

        committed = True
        try:
            await table.transaction(work)
        except RaceCondition:
            committed = False
        check(model, committed, await table.get_many(ALL))

    run(scene)


class Stop(Exception):
    """An error of the function."""


ENDS: dict[str, tuple[bool, type[Exception], str | None]] = {
    "the function returns": (False, TransactionAborted, "still under way"),
    "the function raises": (True, Stop, None),
}


@pytest.mark.parametrize(("raises", "error", "says"), ENDS.values(), ids=ENDS)
def test_a_thread_that_is_late_takes_no_part(
    table: AtomicTable,
    monkeypatch: pytest.MonkeyPatch,
    raises: bool,
    error: type[Exception],
    says: str | None,
) -> None:
    table.set(ZEROS)
    gate = ThreadGate()
    late: list[tuple[Future[None], TableTransaction]] = []
    guard(gate, table._connected().store, monkeypatch)

    with ThreadPoolExecutor(1) as pool:

        def work(tx: TableTransaction) -> None:
            def read() -> None:
                READER.set(0)
                tx.get(("c", "x"))

            late.append((pool.submit(read), tx))
            gate.wait(0, "asked")
            tx.set(Item("c", "y", 5))
            if raises:
                raise Stop

        with pytest.raises(error, match=says):
            table.transaction(work)
        gate.open(0, "read")
        gate.open(0, "answered")
        ((reader, tx),) = late
        with pytest.raises(TransactionAborted, match="is over"):
            reader.result(PATIENCE)
        calls: list[Callable[[tuple[str, str]], object]] = [tx.get, tx.delete]
        for call in calls:
            with pytest.raises(TransactionAborted, match="is over"):
                call(("c", "z"))
    assert numbers(table.get_many(ALL)) == [0, 0, 0]


def test_a_task_that_is_late_takes_no_part(
    run: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(table: AsyncAtomicTable) -> None:
        await table.set(ZEROS)
        gate = TaskGate()
        guard(gate, table._connected().store, monkeypatch)
        late: list[asyncio.Task[None]] = []

        async def work(tx: AsyncTableTransaction) -> None:
            async def read() -> None:
                READER.set(0)
                await tx.get(("c", "x"))
                tx.set(Item("c", "x", 7))

            late.append(asyncio.create_task(read()))
            await gate.wait(0, "asked")
            tx.set(Item("c", "y", 5))

        with pytest.raises(TransactionAborted, match="still under way"):
            await table.transaction(work)
        gate.open(0, "read")
        gate.open(0, "answered")
        with pytest.raises(TransactionAborted, match="is over"):
            await late[0]
        assert numbers(await table.get_many(ALL)) == [0, 0, 0]

    run(scene)


def test_a_write_during_the_commit_is_refused(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    table.set(ZEROS)
    store = table._connected().store
    write, refused = store.write, []

    with table.transaction() as tx:

        def commit(*args: Any) -> None:
            with pytest.raises(TransactionAborted, match="is over") as caught:
                tx.set(Item("c", "x", 9))
            refused.append(caught.value)
            write(*args)

        monkeypatch.setattr(store, "write", commit)
        tx.set(Item("c", "y", 5))
    assert len(refused) == 1
    assert numbers(table.get_many(ALL)) == [0, 5, 0]
