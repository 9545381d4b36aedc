"""Bulk loading: `load`, hand-written loops with psycopg, and `load` with more transactions in parallel."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from benchmarks.harness import Measured, compare, costs, speeds
from blocks_runtime import DistributedDatabase
from blocks_runtime.contract import ROWS_PER_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from benchmarks.runtime.benchmark_database import BenchmarkDatabase

    Connection = psycopg.Connection[tuple[object, ...]]
    Rows = list[tuple[int, str, int]]

ROWS, CHUNK = 12_000, ROWS_PER_TRANSACTION
COLUMNS = ("id", "owner", "amount")
_ids = itertools.count()


def fresh() -> Rows:
    """Return rows with unused keys."""
    return [(next(_ids), f"owner {number}", number) for number in range(ROWS)]


def chunks() -> Iterator[Rows]:
    """Yield new rows in chunks of the maximum that one transaction may change."""
    rows = fresh()
    return (rows[at : at + CHUNK] for at in range(0, ROWS, CHUNK))


def beside_loops(database: BenchmarkDatabase) -> list[Measured]:
    """Return `load` and four hand-written loops, each with one connection."""
    with DistributedDatabase("main") as db, database.connect() as raw:
        loops = {
            "executemany": executemany,
            "multi-row VALUES": values,
            "unnest of arrays": unnest,
            "COPY": copy,
        }
        by_hand = {name: _loop(raw, loop) for name, loop in loops.items()}
        results = compare(
            {"load": lambda: db.load("loaded", fresh(), columns=COLUMNS), **by_hand}, turns=5, window=0
        )
    fastest = min(by_hand, key=lambda name: results[name].median)
    bars = {name: 1 / 0.7 if name == fastest else None for name in by_hand}
    return costs(f"{ROWS:,} rows; the fastest loop by hand is the bar", results, ours="load", bars=bars)


def with_more_in_parallel(database: BenchmarkDatabase) -> list[Measured]:
    """Return the speed with 1, 2, 4 and 8 concurrent transactions, with commit latency."""
    with DistributedDatabase("main") as db:
        ways = {f"parallel={number}": _parallel(db, number) for number in (1, 2, 4, 8)}
        results = compare(ways, turns=5, window=0)
    return speeds(
        "load in parallel, 50 ms a COMMIT as between Regions", results, baseline="parallel=1", bars={}
    )


def _parallel(db: DistributedDatabase, number: int) -> Callable[[], object]:
    return lambda: db.load("loaded", fresh(), columns=COLUMNS, parallel=number)


def _loop(connection: Connection, send: Callable[[Connection, Rows], None]) -> Callable[[], object]:
    def call() -> None:
        for rows in chunks():
            with connection.transaction():
                send(connection, rows)

    return call


def executemany(connection: Connection, rows: Rows) -> None:
    """Send a pipeline of single rows."""
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO loaded (id, owner, amount) VALUES (%s, %s, %s)", rows)


def values(connection: Connection, rows: Rows) -> None:
    """Send statements of 500 rows."""
    for at in range(0, len(rows), 500):
        part = rows[at : at + 500]
        places = ", ".join(["(%s, %s, %s)"] * len(part))
        connection.execute(
            f"INSERT INTO loaded (id, owner, amount) VALUES {places}".encode(), list(itertools.chain(*part))
        )


def unnest(connection: Connection, rows: Rows) -> None:
    """Send an array for each column."""
    connection.execute(
        "INSERT INTO loaded (id, owner, amount) SELECT * FROM unnest(%s::bigint[], %s::text[], %s::int[])",
        [list(column) for column in zip(*rows, strict=True)],
    )


def copy(connection: Connection, rows: Rows) -> None:
    """Use the protocol for bulk data."""
    with connection.cursor() as cursor, cursor.copy("COPY loaded (id, owner, amount) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)
