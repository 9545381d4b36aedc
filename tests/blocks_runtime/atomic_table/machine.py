"""One machine of several that share a table: a process with a clock of its own, which writes down what it was told.

`python -m tests.blocks_runtime.atomic_table.machine STORE TABLE NUMBER SECONDS_AHEAD ROUNDS`
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from typing import Any

from blocks_runtime import AtomicTable, DistributedDatabase, Item, TableTransaction
from blocks_runtime.errors import (
    DatabaseError,
    LeaseHeld,
    LeaseLost,
    MessageLost,
    RaceCondition,
)

PAIR = [("pair", "a"), ("pair", "b")]
ORDERS = 40


def set_clock(ahead: float) -> None:
    """Let the wall clock of this process be ahead."""
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + ahead
    time.time_ns = lambda: nanoseconds() + int(ahead * 10**9)


class Machine:
    """Calls in random order; `told` counts what the calls have reported."""

    def __init__(self, table: AtomicTable, number: int) -> None:
        self.table = table
        self.number = number
        self.random = random.Random(number)
        self.told: Counter[str] = Counter()
        self.pushed: list[str] = []
        self.acknowledged: list[str] = []
        self.unknown_acknowledgements: list[str] = []
        self.tokens: list[int] = []
        self.results: dict[str, list[int]] = {}
        self.lock_versions: list[int] = []

    def run(self, rounds: int) -> None:
        steps = [
            self.increment,
            self.write_pair,
            self.hold_lease,
            self.push,
            self.consume,
            self.order,
            self.count,
        ]
        for step in [each for _ in range(rounds) for each in self.random.sample(steps, len(steps))]:
            try:
                step()
            except (RaceCondition, LeaseHeld):
                self.told[f"conflict {step.__name__}"] += 1
            except DatabaseError as error:
                self.told[f"{type(error).__name__} {step.__name__}"] += 1

    def increment(self) -> None:
        def add(tx: TableTransaction) -> None:
            item = tx.get(("number", "n"))
            tx.set(item.with_data(item.data + 1) if item else Item("number", "n", 1))

        self.table.transaction(add, retry_on_conflict=True, max_retries=30)
        self.told["incremented"] += 1

    def write_pair(self) -> None:
        lock = self.table.get_lock(("pair", "a"))
        one = self.table.get(PAIR[0])
        number = (one.data if one else 0) + 1
        (written,) = self.table.set_atomic([Item(*key, number) for key in PAIR], lock)
        assert written.version > lock.version
        self.lock_versions.append(written.version)
        self.told["pairs"] += 1

    def hold_lease(self) -> None:
        with self.table.lease("job", seconds=6) as lease:
            for _ in range(2):
                seen = self.table.get(("fenced", "tokens"))
                tokens = [*(seen.data if seen else []), lease.token]
                item = seen.with_data(tokens) if seen else Item("fenced", "tokens", tokens)
                try:
                    self.table.set_atomic(item, [lease])
                except LeaseLost:
                    self.told["lost leases"] += 1
                    return
                self.tokens.append(tokens[-1])
                lease.renew()

    def push(self) -> None:
        id = f"{self.number}-{len(self.pushed)}"
        self.pushed.append(id)
        self._repeated(lambda: self.table.queue("mail").push(id, {"id": id}))

    def consume(self) -> None:
        message = self.table.queue("mail").pull(visibility=4)
        if message is None:
            return
        assert message.data == {"id": message.id}
        try:
            self._repeated(lambda: self.table.queue("mail").ack(message))
        except MessageLost:
            self.told["lost messages"] += 1
            return
        self.acknowledged.append(message.id)

    def order(self) -> None:
        """Take an order that all machines take: its effect must be made once."""
        number = f"{self.random.randrange(ORDERS):02d}"

        def take(tx: TableTransaction) -> int:
            item = tx.get(("order", number))
            count = (item.data if item else 0) + 1
            tx.set(Item("order", number, count))
            return count * 1000 + self.number

        found = self._repeated(lambda: self.table.transaction(take, True, 30, once=f"order-{number}"))
        self.results.setdefault(number, []).append(found)

    def count(self) -> None:
        counter = self.table.counter("hits", shards=3)
        id = f"{self.number}-{self.told['counted']}"
        self._repeated(lambda: counter.add(2, once=id))
        self.told["counted"] += 1

    def _repeated(self, call: Any) -> Any:
        """Repeat a call that is safe to repeat until its outcome is known."""
        while True:
            try:
                return call()
            except (MessageLost, RaceCondition):
                raise
            except DatabaseError:
                self.told["repeated"] += 1


def main() -> None:
    store, name, number, ahead, rounds = sys.argv[1:]
    set_clock(float(ahead))
    if store == "dsql":
        table = AtomicTable(name, database=DistributedDatabase("main"), request_deadline=8)
    else:
        table = AtomicTable("locks", request_deadline=8)
    machine = Machine(table, int(number))
    machine.run(int(rounds))
    told = {name: value for name, value in vars(machine).items() if name not in ("table", "random")}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
