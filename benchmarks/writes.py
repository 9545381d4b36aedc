"""Writes to the local database, against PostgreSQL without its proxy and against PGlite, in one run.

`python -m benchmarks.writes` needs Node for PGlite, and leaves it out where there is none. An emulator of DSQL that
runs already is compared, too, if `BENCH_PEER` names it, as `name=conninfo`: those that run in Docker cannot be started
here. The last figure is pgbench's TPC-B script with four clients beside 100,000 rows.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from benchmarks import bare_proxy, byte_relay, pgbouncer, pglite
from benchmarks.harness import Measured, compare, measured, pin, present, speeds
from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Connection = psycopg.Connection[tuple[object, ...]]
OURS, DIRECT, PGLITE = "local DSQL", "PostgreSQL, unix socket", "PGlite, socket server"
ROWS, BATCH = 100_000, 2_500
CLIENTS, SECONDS = 4, 10
TPCB = """\\set aid random(1, 100000)
\\set bid 1
\\set tid random(1, 10)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE accounts SET balance = balance + :delta WHERE id = :aid;
SELECT balance FROM accounts WHERE id = :aid;
UPDATE tellers SET balance = balance + :delta WHERE id = :tid;
UPDATE branches SET balance = balance + :delta WHERE id = :bid;
INSERT INTO history (tid, bid, aid, delta, at) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""
TABLES = (
    *(
        f"CREATE TABLE {name} (id int PRIMARY KEY, balance int)"
        for name in ("accounts", "tellers", "branches")
    ),
    "CREATE TABLE history (tid int, bid int, aid int, delta int, at timestamptz)",
)


def single_write(connection: Connection) -> Callable[[], object]:
    """Return one UPDATE by key in autocommit mode."""
    sql = "UPDATE bench SET balance = balance + 1 WHERE id = %s"
    return lambda: connection.execute(sql, (17,), prepare=True)


def look_up(connection: Connection) -> Callable[[], object]:
    """Return one look-up by key in autocommit mode."""
    sql = "SELECT balance FROM bench WHERE id = %s"
    return lambda: connection.execute(sql, (17,), prepare=True).fetchone()


def read_and_update(connection: Connection) -> Callable[[], object]:
    """Return a transaction that reads a row and updates it."""
    read = "SELECT balance FROM bench WHERE id = %s"
    write = "UPDATE bench SET balance = %s WHERE id = %s"

    def call() -> None:
        with connection.transaction():
            row = connection.execute(read, (23,), prepare=True).fetchone()
            assert row is not None
            connection.execute(write, (int(str(row[0])) + 1, 23), prepare=True)

    return call


def transfer(connection: Connection) -> Callable[[], object]:
    """Return a transaction that reads two balances and moves an amount from one to the other."""
    read = "SELECT id, balance FROM bench WHERE id IN (31, 37) ORDER BY id"
    write = "UPDATE bench SET balance = balance + %s WHERE id = %s"

    def call() -> None:
        with connection.transaction():
            assert len(connection.execute(read, prepare=True).fetchall()) == 2
            connection.execute(write, (-1, 31), prepare=True)
            connection.execute(write, (1, 37), prepare=True)

    return call


WORK = (
    ("single write, autocommit", single_write, DIRECT, 0.20),
    ("read and update in a transaction", read_and_update, DIRECT, 0.35),
    ("single write, autocommit", single_write, PGLITE, 1.0),
    ("look-up by key, autocommit", look_up, PGLITE, 1.0),
    ("transfer: two reads and two updates in a transaction", transfer, PGLITE, 1.0),
)


def peer() -> tuple[str, str] | None:
    """Return the name of the emulator in `BENCH_PEER`, and what libpq connects with; None if there is none."""
    name, _, conninfo = os.environ.get("BENCH_PEER", "").partition("=")
    return (name, conninfo) if conninfo else None


def measure() -> Iterator[list[Measured]]:
    """Yield every ratio, and the transactions a second."""
    pin()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(folder, dialect=NEWEST.name) as cluster,
        contextlib.ExitStack() as stack,
    ):

        def connect(conninfo: str) -> Connection:
            return stack.enter_context(psycopg.connect(conninfo, autocommit=True))

        connections = {
            OURS: connect(cluster.dsn()),
            DIRECT: connect(stack.enter_context(bare_proxy.plain_postgres())),
        }
        other = peer()
        if other is not None:
            connections[other[0]] = connect(other[1])
        info = connections[DIRECT].info
        encrypted, _ = stack.enter_context(byte_relay.running(info.host, info.port, info.user))
        relays = {byte_relay.NAMES[0]: connect(encrypted)}
        if pgbouncer.available():
            encrypted, _ = stack.enter_context(pgbouncer.running(info.host, info.port, info.user))
            relays[pgbouncer.NAMES[0]] = connect(encrypted)
        else:
            print("PgBouncer is left out: it is not on PATH")
        if pglite.available():
            connections[PGLITE] = connect(stack.enter_context(pglite.running()))
        else:
            print("no Node here: PGlite is left out")
        for connection in connections.values():
            connection.execute("DROP TABLE IF EXISTS bench")
            connection.execute("CREATE TABLE bench (id int PRIMARY KEY, balance int)")
            connection.execute("INSERT INTO bench SELECT g, 0 FROM generate_series(1, 1000) g")
        of_peer = [(title, work, other[0], None) for title, work, _, _ in WORK[-3:]] if other else []
        for title, work, baseline, bar in (*WORK, *of_peer):
            if baseline in connections:
                contenders = {name: work(connections[name]) for name in (baseline, OURS)}
                if baseline == DIRECT:
                    contenders |= {name: work(connection) for name, connection in relays.items()}
                yield speeds(title, compare(contenders), baseline=baseline, bars={OURS: bar} if bar else {})
        yield tpcb(cluster)


def tpcb(cluster: LocalCluster) -> list[Measured]:
    """Return the transactions a second of pgbench's TPC-B script, each tried until it is committed."""
    program = shutil.which("pgbench")  # that of the wheel knows no TLS
    if program is None:
        print("TPC-B is left out: there is no pgbench on PATH")
        return []
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        for sql in TABLES:
            admin.execute(sql.encode())
        for first in range(1, ROWS, BATCH):
            admin.execute(
                "INSERT INTO accounts SELECT g, 0 FROM generate_series(%s::int, %s) g",
                (first, first + BATCH - 1),
            )
        admin.execute("INSERT INTO tellers SELECT g, 0 FROM generate_series(1, 10) g")
        admin.execute("INSERT INTO branches VALUES (1, 0)")
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(TPCB)
            script.flush()
            answer = subprocess.run(
                [
                    program,
                    "-n",
                    "-f",
                    Path(script.name),
                    "-c",
                    str(CLIENTS),
                    "-T",
                    str(SECONDS),
                    "--max-tries=0",
                ],
                env=os.environ | cluster.libpq_environment(),
                capture_output=True,
                text=True,
                check=False,
            )
        row = admin.execute(
            "SELECT (SELECT sum(balance) FROM accounts) - (SELECT sum(balance) FROM branches)"
        ).fetchone()
        assert row is not None
        assert row[0] == 0, f"the books differ by {row[0]}"
    found = re.search(r"^tps = ([0-9.]+)", answer.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench failed: {answer.stderr.strip()[-500:]}")
    title = f"TPC-B, {CLIENTS} clients, {ROWS:,} rows, {SECONDS} s"
    return [measured(title, OURS, "", [float(found[1])], unit="tx/s", bar=300)]


if __name__ == "__main__":
    present(measure)
