"""`blocks load` against loops written by hand on the same local database, in turns.

`python -m benchmarks.loading [ROWS]` loads a CSV file of 300,000 rows into a table with a UUID key. The loops read the
file with the csv module, and send chunks of as many rows with four connections: by COPY, which is the fastest that DSQL
takes, and by INSERT with ON CONFLICT, which can be repeated.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import sys
import tempfile
import threading
import time
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from benchmarks.harness import Measured, measured, present
from blocks_cli.bulk.records import ROWS
from blocks_cli.main import main as blocks
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Row = list[str]
    Send = Callable[[psycopg.Connection, list[Row]], object]

TURNS, PARALLEL = 3, 4
OURS = "blocks load"
TABLE = "CREATE TABLE accounts (id uuid PRIMARY KEY, balance numeric(12, 2) NOT NULL, owner text)"


def write(path: Path, rows: int) -> None:
    """Write the file."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("id", "balance", "owner"))
        out.writerows((uuid.uuid4(), f"{number % 1000}.50", f"owner {number}") for number in range(rows))


def chunks(path: Path) -> Iterator[list[Row]]:
    """Yield the rows of the file."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        while chunk := list(itertools.islice(rows, ROWS)):
            yield chunk


def copy(connection: psycopg.Connection, rows: list[Row]) -> None:
    """Send a chunk by COPY."""
    body = "".join("\t".join(row) + "\n" for row in rows)
    with connection.cursor().copy("COPY accounts (id, balance, owner) FROM STDIN") as sent:
        sent.write(body)


def insert(connection: psycopg.Connection, rows: list[Row]) -> None:
    """Send a chunk by INSERT, which leaves existing rows unchanged."""
    ids, balances, owners = zip(*rows, strict=True)
    connection.execute(
        "INSERT INTO accounts SELECT a::uuid, b::numeric, c "
        "FROM unnest(%s::text[], %s::text[], %s::text[]) AS r(a, b, c)"
        " ON CONFLICT (id) DO NOTHING",
        (list(ids), list(balances), list(owners)),
    )


def by_hand(path: Path, cluster: LocalCluster, send: Send) -> None:
    """Load with a loop in each of four threads."""
    source, turn = chunks(path), threading.Lock()

    def work() -> None:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            while True:
                with turn:
                    chunk = next(source, None)
                if chunk is None:
                    return
                send(connection, chunk)

    threads = [threading.Thread(target=work) for _ in range(PARALLEL)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def by_command(path: Path) -> None:
    """Load with `blocks load`, its start included."""
    with contextlib.suppress(SystemExit):
        blocks(["load", str(path), "--table", "accounts", "--parallel", str(PARALLEL)])


def rate(cluster: LocalCluster, rows: int, load: Callable[[], None]) -> float:
    """Return the rows per second of one load into an empty table."""
    cluster.reset()
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute(TABLE)
        started = time.perf_counter()
        load()
        seconds = time.perf_counter() - started
        assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (rows,)
    return rows / seconds


def measure(rows: int = 300_000) -> Iterator[list[Measured]]:
    """Load in turns, and yield the speed of the command as a multiple of each loop's."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("cdk.json").write_text("{}")
        path = Path(folder) / "accounts.csv"
        write(path, rows)
        with LocalCluster(Path(folder) / ".blocks" / "local" / "main") as cluster:
            loads: dict[str, Callable[[], None]] = {
                OURS: lambda: by_command(path),
                "COPY by hand": lambda: by_hand(path, cluster, copy),
                "INSERT by hand": lambda: by_hand(path, cluster, insert),
            }
            rates: dict[str, list[float]] = {name: [] for name in loads}
            for _ in range(TURNS):
                for name, load in loads.items():
                    rates[name].append(rate(cluster, rows, load))
    yield [
        measured(
            f"blocks load, {rows:,} rows",
            OURS,
            name,
            [one / other for one, other in zip(rates[OURS], found, strict=True)],
        )
        for name, found in rates.items()
        if name != OURS
    ]


if __name__ == "__main__":
    given = sys.argv[1:2] if sys.argv[1:2] and sys.argv[1].isdigit() else []
    present(partial(measure, *map(int, given)), sys.argv[1 + len(given) :])
