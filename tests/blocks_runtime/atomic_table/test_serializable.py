"""Concurrent random transactions, whose history must have an order: no cycle of dependencies.

Each transaction appends its number to the lists of some items and reads others. From the lists at the end, and from
what was read, all dependencies follow: who wrote before whom, who read what whom wrote, and who read before whom wrote.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item, RaceCondition, TableTransaction
from blocks_runtime.errors import CommitOutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_dynamodb import LocalDynamo

KEYS = tuple(("k", str(number)) for number in range(4))
THREADS, TRANSACTIONS = 6, 25

Lists = dict[tuple[str, str], tuple[int, ...]]


@dataclass
class History:
    """The reads of each committed transaction, and the transactions whose outcome is unknown."""

    reads: dict[int, Lists] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    conflicts: int = 0


def list_of(item: Item[Any] | None) -> tuple[int, ...]:
    return () if item is None else tuple(item.data)


@dataclass
class RandomWork:
    """A transaction: it reads some items, and appends its number to the lists of others; `seen` is what it read."""

    number: int
    choose: random.Random
    seen: Lists = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.appended = self.choose.sample(KEYS, self.choose.randint(0, 2))
        self.wanted = list(
            dict.fromkeys([*self.choose.sample(KEYS, self.choose.randint(1, 3)), *self.appended])
        )
        self.together = self.choose.random() < 0.5
        self.retries = self.choose.random() < 0.8

    def __call__(self, tx: TableTransaction) -> None:
        items = tx.get_many(self.wanted) if self.together else [tx.get(key) for key in self.wanted]
        self.seen = {key: list_of(item) for key, item in zip(self.wanted, items, strict=True)}
        for key in self.appended:
            tx.set(Item(*key, [*self.seen[key], self.number]))


def run(table: AtomicTable, seed: int) -> History:
    history, lock = History(), threading.Lock()

    def work(thread: int) -> None:
        choose = random.Random(seed * 1000 + thread)
        for step in range(TRANSACTIONS):
            each = RandomWork(thread * 1000 + step + 1, choose)
            try:
                table.transaction(each, retry_on_conflict=each.retries, max_retries=50)
            except RaceCondition:
                with lock:
                    history.conflicts += 1
            except CommitOutcomeUnknown:
                with lock:
                    history.unknown.add(each.number)
            else:
                with lock:
                    history.reads[each.number] = each.seen

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    history.conflicts += table.stats.conflicts
    return history


def cycle(reads: Mapping[int, Lists], final: Lists) -> str:
    """Return a cycle of dependencies, or a read of a list that never was; empty if there is none."""
    graph: dict[int, set[int]] = {number: set() for number in reads}

    def after(later: int, earlier: int) -> None:
        if later != earlier:
            graph.setdefault(later, set()).add(earlier)

    for writers in final.values():
        for earlier, later in pairwise(writers):
            after(later, earlier)
    for number, seen in reads.items():
        for key, found in seen.items():
            writers = final[key]
            if writers[: len(found)] != found:
                return f"{number} has read {found} of {key}, whose writers are {writers}"
            if found:
                after(number, found[-1])
            rest = [writer for writer in writers[len(found) :] if writer != number]
            if rest:
                after(rest[0], number)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return str(error.args[1])
    return ""


def check(table: AtomicTable, history: History) -> None:
    final = {key: list_of(item) for key, item in zip(KEYS, table.get_many(KEYS), strict=True)}
    written = {number for writers in final.values() for number in writers}
    assert len(written) == len(set(written))
    assert written <= history.reads.keys() | history.unknown, "a transaction that failed has written"
    assert cycle(history.reads, final) == ""
    assert history.conflicts > 10, "nothing met"


@pytest.mark.parametrize("seed", range(2))
def test_histories_have_an_order(table: AtomicTable, seed: int) -> None:
    check(table, run(table, seed))


def test_histories_have_an_order_though_answers_are_lost(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo
) -> None:
    for fault, every in (("outcome-unknown", 7), ("connection-lost", 11), ("TransactionConflict", 5)):
        dynamo.inject(fault, every=every, times=None)
    check(dynamodb_table, run(dynamodb_table, 9))


def lists(**values: Iterable[int]) -> Lists:
    return {("k", name): tuple(found) for name, found in values.items()}


BROKEN = {
    "lost update": ({1: lists(a=[]), 2: lists(a=[])}, lists(a=[1, 2])),
    "write skew": ({1: lists(a=[], b=[]), 2: lists(a=[], b=[])}, lists(a=[1], b=[2])),
    "read of what never was": ({1: lists(a=[]), 2: lists(a=[3])}, lists(a=[1])),
    "torn read": ({1: lists(a=[], b=[]), 2: lists(a=[1], b=[])}, lists(a=[1], b=[1])),
}


@pytest.mark.parametrize(("reads", "final"), BROKEN.values(), ids=BROKEN)
def test_the_check_finds_what_is_broken(reads: dict[int, Lists], final: Lists) -> None:
    assert cycle(reads, final)


def test_the_check_accepts_an_order() -> None:
    assert cycle({1: lists(a=[]), 2: lists(a=[1], b=[]), 3: lists(b=[2])}, lists(a=[1, 2], b=[2, 3])) == ""
