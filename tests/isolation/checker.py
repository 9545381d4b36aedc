"""Checker of histories for strong session snapshot isolation.

First direct violations: values that were not written, aborted reads, two reads that disagree about the order. Then the
dependency graph: ww, wr, session and real-time order are `D`, a read that missed a write is `rw`. A history satisfies
snapshot isolation if and only if `D ; rw?` has no cycle (Cerone and Gotsman, Analysing Snapshot Isolation, 2018).
Cycles with two adjacent rw edges are write skew: allowed, and counted.

The result is about a run, not about a database: a run without conflicts proves nothing, so callers must check for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from tests.isolation.history import Append, Read, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Graph = dict[int, set[int]]


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation of snapshot isolation: name, transactions and values."""

    kind: str
    story: str


@dataclass
class Verdict:
    """Result of a check; `write_skews` counts anomalies that snapshot isolation allows."""

    violations: list[Violation] = field(default_factory=list)
    write_skews: int = 0
    committed: int = 0
    edges: int = 0

    @property
    def kinds(self) -> set[str]:
        """Names of the violations."""
        return {violation.kind for violation in self.violations}


class Evidence:
    """An indexed history: writers of values, committed transactions, the longest read of each key."""

    def __init__(self, history: Sequence[Transaction]) -> None:
        self.by_id = {transaction.id: transaction for transaction in history}
        self.committed = [each for each in history if each.outcome == "ok"]
        self.writer: dict[tuple[str, int], Transaction] = {}
        self.last: dict[tuple[int, str], int] = {}
        self.order: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for transaction in history:
            for operation in transaction.operations:
                if isinstance(operation, Append):
                    self._wrote(transaction, operation)
        for _, read in self.reads():
            self.order[read.key] = max(self.order[read.key], read.values, key=len)

    def _wrote(self, transaction: Transaction, append: Append) -> None:
        if (append.key, append.value) in self.writer:
            raise ValueError(
                f"value {append.value} was appended to key {append.key} twice: nothing can be told"
            )
        self.writer[append.key, append.value] = transaction
        self.last[transaction.id, append.key] = append.value

    def reads(self) -> Iterator[tuple[Transaction, Read]]:
        """Yield every read of every committed transaction."""
        for transaction in self.committed:
            for operation in transaction.operations:
                if isinstance(operation, Read):
                    yield transaction, operation

    def foreign(self, transaction: Transaction, key: str, values: Sequence[int]) -> list[int]:
        """Return the values that other transactions wrote."""
        return [value for value in values if self.writer[key, value].id != transaction.id]


def check(history: Sequence[Transaction], *, realtime: bool = True) -> Verdict:
    """Check a history.

    Args:
        history: transactions in any order; values are unique per key.
        realtime: whether a transaction must see all commits before its BEGIN; if not, stale reads are legal.

    Raises:
        ValueError: a value was appended twice, so the order is ambiguous.
    """
    evidence = Evidence(history)
    verdict = Verdict(committed=len(evidence.committed))
    for fault in (_strange_values, _own_view, _orders, _lost):
        verdict.violations += fault(evidence)
        if verdict.violations:
            return verdict
    depends, misses = _graphs(evidence, realtime=realtime)
    verdict.edges = sum(map(len, depends.values())) + sum(map(len, misses.values()))
    composed = {a: bs.union(*(misses.get(b, ()) for b in bs)) for a, bs in depends.items()}
    for cycle in cycles(composed):
        verdict.violations.append(Violation("cycle", "\n".join(repr(evidence.by_id[each]) for each in cycle)))
    if not verdict.violations:
        whole = {a: depends.get(a, set()) | misses.get(a, set()) for a in depends.keys() | misses.keys()}
        verdict.write_skews = sum(1 for _ in cycles(whole))
    return verdict


def _strange_values(evidence: Evidence) -> Iterator[Violation]:
    for transaction, read in evidence.reads():
        if len(set(read.values)) != len(read.values):
            yield Violation("duplicate", f"{transaction}: {read}")
        writers = [evidence.writer.get((read.key, value)) for value in read.values]
        if None in writers:
            yield Violation("garbage", f"{transaction}: {read}")
            continue
        for writer in writers:
            if writer is not None and writer.outcome == "fail":
                yield Violation("aborted read", f"{transaction}: {read}, rolled back by {writer}")
        foreign = evidence.foreign(transaction, read.key, read.values)
        if foreign and foreign[-1] != evidence.last[evidence.writer[read.key, foreign[-1]].id, read.key]:
            yield Violation("intermediate read", f"{transaction}: {read}")


def _own_view(evidence: Evidence) -> Iterator[Violation]:
    """Check that a transaction reads its snapshot and its own appends, in order."""
    for transaction in evidence.committed:
        base: dict[str, tuple[int, ...]] = {}
        mine: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for operation in transaction.operations:
            key = operation.key
            if isinstance(operation, Append):
                mine[key] += (operation.value,)
                continue
            snapshot = operation.values[: len(operation.values) - len(mine[key])]
            if base.setdefault(key, snapshot) + mine[key] != operation.values:
                yield Violation("internal", f"{transaction}: {operation}")


def _orders(evidence: Evidence) -> Iterator[Violation]:
    """Check that all reads of a key are prefixes of its longest read; this detects lost updates."""
    for transaction, read in evidence.reads():
        if evidence.order[read.key][: len(read.values)] != read.values:
            yield Violation(
                "orders differ", f"{transaction}: {read} is no prefix of {evidence.order[read.key]}"
            )


def _lost(evidence: Evidence) -> Iterator[Violation]:
    """Check that later reads of a key contain all acknowledged appends."""
    latest: dict[str, float] = {}
    for transaction, read in evidence.reads():
        latest[read.key] = max(latest.get(read.key, transaction.start), transaction.start)
    for (key, value), writer in evidence.writer.items():
        looked_for = writer.outcome == "ok" and writer.end < latest.get(key, writer.end)
        if looked_for and value not in evidence.order[key]:
            yield Violation("lost append", f"{value} of {writer}")


def _graphs(evidence: Evidence, *, realtime: bool) -> tuple[Graph, Graph]:
    depends: Graph = defaultdict(set)
    misses: Graph = defaultdict(set)
    for key, values in evidence.order.items():
        for earlier, later in pairwise(values):
            depends[evidence.writer[key, earlier].id].add(evidence.writer[key, later].id)
    for transaction, read in evidence.reads():
        if seen := evidence.foreign(transaction, read.key, read.values):
            depends[evidence.writer[read.key, seen[-1]].id].add(transaction.id)
        rest = evidence.order[read.key][len(read.values) :]
        if unseen := evidence.foreign(transaction, read.key, rest):
            misses[transaction.id].add(evidence.writer[read.key, unseen[0]].id)
    previous: dict[int, int] = {}
    for transaction in sorted(evidence.committed, key=lambda each: each.start):
        if transaction.process in previous:
            depends[previous[transaction.process]].add(transaction.id)
        previous[transaction.process] = transaction.id
    if realtime:
        _real_time(evidence.committed, depends)
    for node, successors in depends.items():
        successors.discard(node)
    return dict(depends), dict(misses)


def _real_time(committed: Sequence[Transaction], depends: Graph) -> None:
    """Add real-time edges: only from the latest transactions that ended before each start; others are transitive."""
    ended = sorted(committed, key=lambda each: each.end)
    ends = [each.end for each in ended]
    newest = list(accumulate((each.start for each in ended), max))
    for transaction in committed:
        index = bisect_left(ends, transaction.start) - 1
        bar = newest[index] if index >= 0 else 0.0
        while index >= 0 and ends[index] >= bar:
            depends[ended[index].id].add(transaction.id)
            index -= 1


def cycles(graph: Graph) -> Iterator[list[int]]:
    """Yield cycles that share no node, until none is left."""
    left = dict(graph)
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            cycle = set(error.args[1])
            yield sorted(cycle)
            left = {node: successors - cycle for node, successors in left.items() if node not in cycle}
        else:
            return
