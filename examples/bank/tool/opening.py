"""Opens accounts with integer and with UUID keys, and compares conflicts and places of the new keys."""

from __future__ import annotations

import bisect
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from blocks_runtime import sql
from blocks_runtime.errors import UniqueConstraintViolation
from examples.bank.tool.outcomes import Counts, Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blocks_runtime import DistributedDatabase, Sql, Transaction

RANGES = 16
BEFORE = 1_600
"""Accounts of each table before the measurement; their keys are the borders of the ranges."""

MAX_RETRIES = 1_000


@dataclass(frozen=True)
class KeyKind:
    """A kind of keys: its table, the statement that inserts accounts, and that for one more."""

    name: str
    table: str
    several: Sql
    one: Sql


KINDS = (
    KeyKind(
        "integer",
        "opened_integer",
        sql("INSERT INTO opened_integer SELECT n, 0 FROM generate_series(1, {n}) AS n", n=BEFORE),
        sql("INSERT INTO opened_integer SELECT max(id) + 1, 0 FROM opened_integer"),
    ),
    KeyKind(
        "UUID",
        "opened_uuid",
        sql("INSERT INTO opened_uuid (balance) SELECT 0 FROM generate_series(1, {n})", n=BEFORE),
        sql("INSERT INTO opened_uuid (balance) VALUES (0)"),
    ),
)


@dataclass(frozen=True)
class Result:
    """Accounts that were opened with one kind of keys."""

    name: str
    counts: Counts
    seconds: float
    ranges: list[int]
    """New keys in each of `RANGES` ranges, which had the same number of keys before."""

    @property
    def busiest(self) -> float:
        """Share of the new keys in the range that has most."""
        return max(self.ranges) / sum(self.ranges)


def measure(db: DistributedDatabase, kind: KeyKind, accounts: int, workers: int) -> Result:
    """Empty the table of a kind of keys, fill it, and open accounts with concurrent workers."""
    table = sql.identifier(kind.table)
    while db.execute(sql("DELETE FROM {t:q} WHERE id IN (SELECT id FROM {t:q} LIMIT 2500)", t=table)):
        pass
    db.execute(kind.several)
    before = keys(db, table)
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(lambda _: open_account(db, kind.one), range(accounts)))
    seconds = time.perf_counter() - started
    counts = Counts()
    for each in outcomes:
        counts.add(each)
    return Result(kind.name, counts, seconds, placed(before, keys(db, table)))


def open_account(db: DistributedDatabase, statement: Sql) -> Outcome:
    """Open one account, and again after each conflict. A key that another one has taken is a conflict, too."""
    started = time.perf_counter()
    attempts = 0

    def insert(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        tx.execute(statement)

    until_done(lambda: db.transaction(insert, retry_on_conflict=True, max_retries=MAX_RETRIES))
    return Outcome(Kind.MADE, attempts, time.perf_counter() - started)


def until_done(act: Callable[[], None]) -> None:
    """Call a function until its keys are not taken."""
    while True:
        try:
            return act()
        except UniqueConstraintViolation:
            continue


def keys(db: DistributedDatabase, table: Sql) -> list[Any]:
    """Return all keys of a table in their order."""
    rows = db.query(sql("SELECT id FROM {t:q}", t=table))
    return sorted(row["id"].bytes if isinstance(row["id"], UUID) else row["id"] for row in rows)


def placed(before: Sequence[Any], after: Sequence[Any]) -> list[int]:
    """Return the number of new keys in each range: storage that is split by key splits it where rows are."""
    borders = [before[len(before) * number // RANGES] for number in range(1, RANGES)]
    known = set(before)
    ranges = [0] * RANGES
    for key in after:
        if key not in known:
            ranges[bisect.bisect_right(borders, key)] += 1
    return ranges
