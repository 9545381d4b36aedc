"""Long fork: readers that see two independent writes in opposite orders, which snapshot isolation forbids.

Each writer increments a row of its own. A reader reads all rows with a statement for each, in one transaction. Of two
reads one must be at least as new as the other in every row. Writers and readers are spread over the Regions.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg

from tests.proof.anomalies import SNAPSHOT
from tests.proof.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.proof.targets import Target

TABLE, WRITERS, READERS = "proof_fork", 4, 4


@dataclass
class _Seen:
    reads: list[tuple[int, ...]] = field(default_factory=list)
    written: list[int] = field(default_factory=lambda: [0] * WRITERS)
    conflicts: int = 0
    errors: list[Exception] = field(default_factory=list)


def forks(reads: Iterable[tuple[int, ...]]) -> int:
    """Return how many reads are not ordered with the one before them, sorted by their sum."""
    ordered = sorted(set(reads), key=sum)
    return sum(
        any(one > other for one, other in zip(older, newer, strict=True))
        for older, newer in pairwise(ordered)
    )


def _write(dsn: str, key: int, until: float, seen: _Seen) -> None:
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while time.monotonic() < until:
                connection.execute(f"UPDATE {TABLE} SET n = n + 1 WHERE id = %s".encode(), (key,))
                seen.written[key] += 1
    except Exception as error:
        seen.errors.append(error)


def _read(dsn: str, until: float, seen: _Seen) -> None:
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while time.monotonic() < until:
                connection.execute(f"BEGIN ISOLATION LEVEL {SNAPSHOT}".encode())
                rows = [
                    connection.execute(f"SELECT n FROM {TABLE} WHERE id = %s".encode(), (key,)).fetchone()
                    for key in range(WRITERS)
                ]
                connection.execute("COMMIT")
                seen.reads.append(tuple(int(str(row[0])) for row in rows if row is not None))
    except Exception as error:
        seen.errors.append(error)


def run(target: Target, seconds: float) -> Figure:
    """Write and read for some seconds; `wrong` counts forks, `lost` increments that are missing afterwards.

    Raises:
        psycopg.Error: a client got an error; none may, as no two clients write the same row.
    """
    figure, seen = Figure("long fork", target.name), _Seen()
    with psycopg.connect(target.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP TABLE IF EXISTS {TABLE}".encode())
        admin.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, n int NOT NULL)".encode())
        for key in range(WRITERS):
            admin.execute(f"INSERT INTO {TABLE} VALUES (%s, 0)".encode(), (key,))
        until, regions = time.monotonic() + seconds, target.regions
        threads = [
            threading.Thread(target=_write, args=(target.dsn(regions[key % len(regions)]), key, until, seen))
            for key in range(WRITERS)
        ] + [
            threading.Thread(target=_read, args=(target.dsn(regions[each % len(regions)]), until, seen))
            for each in range(READERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if seen.errors:
            raise seen.errors[0]
        kept = [int(str(row[0])) for row in admin.execute(f"SELECT n FROM {TABLE} ORDER BY id".encode())]
        admin.execute(f"DROP TABLE {TABLE}".encode())
    figure.transactions = sum(seen.written) + len(seen.reads)
    figure.lost = sum(wanted - found for wanted, found in zip(seen.written, kept, strict=True))
    figure.wrong = forks(seen.reads)
    figure.note = f"{len(set(seen.reads)):,} different snapshots"
    return figure.finish()
