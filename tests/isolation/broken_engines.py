"""An in-memory engine with snapshot isolation, and seven bugs for it that a checker must detect."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field

from tests.isolation.history import Append, Operation, Outcome, Read, Transaction

KEYS = ("x", "y", "z")
CLIENTS = 5


class Fault(enum.Enum):
    """Bugs of an engine."""

    NOBODY_LOSES = "conflicting commits all win"
    CHECK_SKIPPED = "one conflict check in twenty is skipped"
    SNAPSHOT_PER_STATEMENT = "every statement has a snapshot of its own"
    DIRTY_READ = "one read in ten sees uncommitted values"
    ABORTED_LEAK = "one rollback in five leaves its writes behind"
    STALE_SNAPSHOT = "a snapshot may be old"
    FRACTURED_COMMIT = "the keys of a commit show one after the other"


@dataclass
class _Open:
    id: int
    process: int
    start: int
    snapshot: int
    left: int
    mine: dict[str, tuple[int, ...]] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)


class Engine:
    """Runs random transactions step by step, and records their history."""

    def __init__(self, seed: int, fault: Fault | None = None) -> None:
        self._random = random.Random(seed)
        self._fault = fault
        self._commits = 0
        self._versions: dict[str, list[tuple[int, tuple[int, ...]]]] = {key: [(0, ())] for key in KEYS}
        self._pending: list[tuple[str, tuple[int, ...]]] = []
        self._open: dict[int, _Open] = {}
        self._clock = 0
        self._next = 0
        self.history: list[Transaction] = []

    def run(self, transactions: int) -> list[Transaction]:
        """Run this number of transactions, and finally one that reads all keys."""
        while len(self.history) < transactions or self._open:
            self._clock += 1
            if self._pending and self._random.random() < 0.3:
                self._show(self._pending.pop())
            process = self._random.randrange(CLIENTS)
            if process in self._open:
                self._step(self._open[process])
            elif len(self.history) < transactions:
                self._begin(process)
        while self._pending:
            self._show(self._pending.pop())
        last = _Open(self._id(), CLIENTS, self._clock + 1, self._commits, 0)
        last.operations = [Read(key, self._at(key, self._commits)) for key in KEYS]
        self._clock += 2
        self._end(last, "ok")
        return self.history

    def _is(self, fault: Fault, chance: float = 1.0) -> bool:
        return self._fault is fault and self._random.random() < chance

    def _id(self) -> int:
        self._next += 1
        return self._next

    def _begin(self, process: int) -> None:
        stale = self._random.randrange(10) if self._is(Fault.STALE_SNAPSHOT) else 0
        snapshot = max(0, self._commits - stale)
        self._open[process] = _Open(self._id(), process, self._clock, snapshot, self._random.randint(1, 4))

    def _at(self, key: str, snapshot: int) -> tuple[int, ...]:
        return next(values for at, values in reversed(self._versions[key]) if at <= snapshot)

    def _step(self, transaction: _Open) -> None:
        if not transaction.left:
            del self._open[transaction.process]
            self._end(transaction, self._commit(transaction))
            return
        transaction.left -= 1
        key = self._random.choice(KEYS)
        if self._random.random() < 0.5:
            value = self._id()
            transaction.mine[key] = (*transaction.mine.get(key, ()), value)
            transaction.operations.append(Append(key, value))
        else:
            transaction.operations.append(Read(key, self._view(transaction, key)))

    def _view(self, transaction: _Open, key: str) -> tuple[int, ...]:
        snapshot = self._commits if self._fault is Fault.SNAPSHOT_PER_STATEMENT else transaction.snapshot
        seen = self._at(key, snapshot)
        dirty = [
            other.mine[key] for other in self._open.values() if key in other.mine and other is not transaction
        ]
        if dirty and self._is(Fault.DIRTY_READ, 0.1):
            seen += dirty[0]
        return seen + transaction.mine.get(key, ())

    def _commit(self, transaction: _Open) -> Outcome:
        written = transaction.mine
        conflict = any(self._versions[key][-1][0] > transaction.snapshot for key in written)
        if self._fault is Fault.NOBODY_LOSES or self._is(Fault.CHECK_SKIPPED, 0.05):
            conflict = False
        base = self._commits if conflict else transaction.snapshot
        images = [(key, self._at(key, base) + values) for key, values in written.items()]
        if conflict and not self._is(Fault.ABORTED_LEAK, 0.2):
            return "fail"
        if self._fault is Fault.FRACTURED_COMMIT:
            self._pending += images[1:]
            images = images[:1]
        self._commits += bool(images)
        for key, values in images:
            self._versions[key].append((self._commits, values))
        return "fail" if conflict else "ok"

    def _show(self, image: tuple[str, tuple[int, ...]]) -> None:
        self._commits += 1
        self._versions[image[0]].append((self._commits, image[1]))

    def _end(self, transaction: _Open, outcome: Outcome) -> None:
        operations = tuple(transaction.operations)
        self.history.append(
            Transaction(
                transaction.id, transaction.process, transaction.start, self._clock, outcome, operations
            )
        )
