"""Sixty threads increment one row, and each must succeed: number of attempts and time."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg

from benchmarks.harness import Measured, measured
from blocks_runtime import DistributedDatabase, sql
from local_dsql.engine.turns import PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.runtime.benchmark_database import BenchmarkDatabase
    from blocks_runtime import Transaction

THREADS, ROUNDS = 60, 7
OURS = "ours"


def contention(database: BenchmarkDatabase) -> list[Measured]:
    """Return attempts and seconds of our retry, as multiples of two common hand-written loops'."""
    with ExitStack() as stack:
        db = stack.enter_context(DistributedDatabase("main", max_connections=THREADS))
        db.warm_up(THREADS)
        parameters = database.parameters()
        raw = [
            stack.enter_context(psycopg.connect(**parameters, autocommit=True))  # type: ignore[arg-type]
            for _ in range(THREADS)
        ]
        contenders: dict[str, Callable[[int], int]] = {
            OURS: lambda _: db.transaction(_add_one, retry_on_conflict=True, max_retries=10_000),
            "loop: continue at once": lambda number: _by_hand(raw[number], 0.0),
            "loop: sleep 8 ms x attempt": lambda number: _by_hand(raw[number], 0.008),
        }
        seen: dict[str, list[tuple[int, float]]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, add in contenders.items():
                time.sleep(1.2 * PAUSE)  # no session takes turns any more because of the contender before
                seen[name].append(_all_at_once(add))
    title = f"contention, {THREADS} threads increment one row, "
    return [
        measured(
            title + name,
            OURS,
            peer,
            [ours[at] / other[at] for ours, other in zip(seen[OURS], seen[peer], strict=True)],
            bar=1.0,
            more_is_better=False,
        )
        for at, name in enumerate(("attempts", "seconds"))
        for peer in contenders
        if peer != OURS
    ]


def _all_at_once(add: Callable[[int], int]) -> tuple[int, float]:
    """Return the attempts of all threads, and the seconds until the last success."""
    gate, attempts = threading.Barrier(THREADS + 1), [0] * THREADS

    def work(number: int) -> None:
        gate.wait()
        attempts[number] = add(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    gate.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(attempts), time.perf_counter() - started


def _add_one(tx: Transaction) -> int:
    row = tx.query_one(sql("SELECT n FROM counter WHERE id = 1"))
    assert row is not None
    tx.execute(sql("UPDATE counter SET n = {n} WHERE id = 1", n=row["n"] + 1))
    return tx.attempt


def _by_hand(connection: psycopg.Connection[tuple[int, ...]], pause: float) -> int:
    attempt = 0
    while True:
        attempt += 1
        try:
            with connection.transaction():
                row = connection.execute("SELECT n FROM counter WHERE id = 1").fetchone()
                assert row is not None
                connection.execute("UPDATE counter SET n = %s WHERE id = 1", (row[0] + 1,))
        except psycopg.errors.SerializationFailure:
            time.sleep(pause * attempt)
            continue
        return attempt
