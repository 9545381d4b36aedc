"""Overhead of the local database, compared with the same PostgreSQL without the proxy."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from benchmarks import bare_proxy, byte_relay, pgbouncer
from benchmarks.harness import Measured, compare, measured, pin, present, speeds
from dsql_dialect.limits import ROWS_PER_TRANSACTION
from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS, INCREMENTS = 8, 25
DIRECT = "PostgreSQL, unix socket"
Connection = psycopg.Connection[tuple[object, ...]]


def lookup(connection: Connection) -> Callable[[], object]:
    """Return a prepared lookup by primary key."""
    return lambda: connection.execute("SELECT v FROM lookup WHERE id = %s", (17,), prepare=True).fetchone()


def many_rows(connection: Connection) -> Callable[[], object]:
    """Return a query of 10,000 rows, which shows the proxy's cost per row."""
    query = "SELECT n, 'some text ' || n FROM generate_series(1, 10000) AS n"
    return lambda: connection.execute(query, prepare=True).fetchall()


def insert(connection: Connection) -> Callable[[], object]:
    """Return an INSERT of as many rows as a transaction may change; each call starts with an empty table."""
    fill = sql.SQL("INSERT INTO filled SELECT n, 'some text' FROM generate_series(1, {}) AS n").format(
        ROWS_PER_TRANSACTION
    )

    def call() -> None:
        connection.execute(fill)
        connection.execute("DELETE FROM filled")

    return call


def increments(dsn: str) -> tuple[float, int]:
    """Return the seconds for 8 threads to add 25 each to one row, reading it first, and the attempts."""
    attempts: list[int] = []

    def work() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for _ in range(INCREMENTS):
                attempts.append(_increment(connection))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started, sum(attempts)


def _increment(connection: Connection) -> int:
    attempt = 0
    while True:
        attempt += 1
        try:
            with connection.transaction():
                row = connection.execute("SELECT n FROM counter WHERE id = 1").fetchone()
                assert row is not None
                connection.execute("UPDATE counter SET n = %s WHERE id = 1", (int(str(row[0])) + 1,))
        except psycopg.errors.SerializationFailure:
            continue
        return attempt


def second_writer(dsn: str, *, rounds: int = 50) -> list[float]:
    """Return the milliseconds of an UPDATE of a row that another open transaction has changed."""
    waits: list[float] = []
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn) as newcomer:
        for _ in range(rounds):
            holder.execute("UPDATE counter SET n = n WHERE id = 1")
            started = time.perf_counter()
            newcomer.execute("UPDATE counter SET n = n WHERE id = 1")
            waits.append((time.perf_counter() - started) * 1000)
            newcomer.rollback()
            holder.rollback()
    return sorted(waits)


def starts(parent: Path, *, rounds: int = 3) -> tuple[list[float], list[float]]:
    """Return the seconds from an empty folder to the first response, and those of later starts.

    An installed package has bytecode, because pip compiles it. So the server may write it here, too, at a start that
    does not count.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _first_response(parent / "bytecode")
    first, later = [], []
    for number in range(rounds):
        folder = parent / str(number)
        first.append(_first_response(folder))
        later += [_first_response(folder) for _ in range(rounds)]
    return first, later


def _first_response(folder: Path) -> float:
    started = time.perf_counter()
    with LocalCluster(folder) as cluster, psycopg.connect(cluster.dsn()) as connection:
        connection.execute("SELECT 1")
        return time.perf_counter() - started


def measure() -> Iterator[list[Measured]]:
    """Yield every comparison."""
    pin()
    with tempfile.TemporaryDirectory() as temporary:
        first, later = starts(Path(temporary) / "starts")
        title = "start to the first answer"
        yield [
            measured(title, "from an empty folder", "", first, unit="s", bar=1.5, more_is_better=False),
            measured(title, "again", "", later, unit="s", bar=0.3, more_is_better=False),
        ]
        yield from reads()
        with LocalCluster(Path(temporary) / "cluster", dialect=NEWEST.name) as cluster:
            yield from writes(cluster)


def reads() -> Iterator[list[Measured]]:
    """Compare reads through each endpoint of one PostgreSQL."""
    names = {
        "tcp": "PostgreSQL, TCP, plain text",
        "socket": DIRECT,
        "tls": "local DSQL, TLS",
        "plain": "local DSQL, TLS taken out",
    }
    with bare_proxy.running() as endpoints, contextlib.ExitStack() as stack:
        connections = {
            title: stack.enter_context(psycopg.connect(**endpoints[name], autocommit=True))  # type: ignore[arg-type]
            for name, title in names.items()
        }
        relays = [byte_relay]
        if pgbouncer.available():
            relays.append(pgbouncer)
        else:
            print("PgBouncer is left out: it is not on PATH")
        direct = endpoints["socket"]
        for relay in relays:
            server = relay.running(str(direct["host"]), int(direct["port"]), str(direct["user"]))
            for title, conninfo in zip(relay.NAMES, stack.enter_context(server), strict=True):
                connections[title] = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        admin = connections[names["tls"]]
        admin.execute("CREATE TABLE lookup (id int PRIMARY KEY, v text)")
        admin.execute("INSERT INTO lookup SELECT n, 'v' || n FROM generate_series(1, 1000) AS n")
        bars = {names["tls"]: 0.55, names["plain"]: 0.65}
        for title, query, bar in (
            ("prepared look-up by key", lookup, bars),
            ("10,000 rows", many_rows, {}),
        ):
            results = compare({name: query(each) for name, each in connections.items()})
            yield speeds(title, results, baseline=names["tcp"], bars=bar)


def writes(cluster: LocalCluster) -> Iterator[list[Measured]]:
    """Yield every comparison on a running cluster."""
    with (
        bare_proxy.plain_postgres() as plain,
        psycopg.connect(cluster.dsn(), autocommit=True) as proxy,
        psycopg.connect(plain, autocommit=True) as direct,
    ):
        proxy.execute("CREATE TABLE counter (id int PRIMARY KEY, n int)")
        proxy.execute("INSERT INTO counter VALUES (1, 0)")
        for connection in (proxy, direct):
            connection.execute("CREATE TABLE filled (id int PRIMARY KEY, v text)")
        inserts = compare({DIRECT: insert(direct), "local DSQL": insert(proxy)})
        title = f"insert and delete {ROWS_PER_TRANSACTION:,} rows"
        yield speeds(title, inserts, baseline=DIRECT, bars={"local DSQL": 0.80})
    title = f"hot row, {THREADS} threads of {INCREMENTS} increments each"
    rounds = [increments(cluster.dsn()) for _ in range(3)]
    yield [
        measured(
            title,
            "until all are done",
            "",
            [each[0] for each in rounds],
            unit="s",
            bar=3,
            more_is_better=False,
        ),
        measured(
            title,
            "attempts for each increment",
            "",
            [each[1] / THREADS / INCREMENTS for each in rounds],
            more_is_better=False,
        ),
    ]
    waits = second_writer(cluster.dsn())
    title = "second writer on a row that an open transaction has changed"
    yield [
        measured(title, "UPDATE", "", waits, unit="ms", bar=10, more_is_better=False),
        measured(title, "UPDATE, the slowest", "", [waits[-1]], unit="ms", more_is_better=False),
    ]


if __name__ == "__main__":
    present(measure)
