"""Bank workload with failures: clients transfer money and are interrupted in every possible way."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.isolation.endpoints import Endpoints

ACCOUNTS = 6
START = 1_000
CLIENTS = 6
LONGEST = 2.0
"""Seconds of a statement on a busy machine."""

SETUP = (
    "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0))",
    "CREATE TABLE entry (key uuid PRIMARY KEY DEFAULT gen_random_uuid(), source int REFERENCES account (id),"
    " target int REFERENCES account (id), amount int NOT NULL)",
    f"INSERT INTO account SELECT g, {START} FROM generate_series(1, {ACCOUNTS}) g",
)


@dataclass
class Records:
    """Results of all clients: keys by outcome, number of each failure, the slowest response."""

    committed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """One client; it reconnects after every failure."""

    def __init__(self, cluster: Endpoints, process: int, seed: int, records: Records) -> None:
        self._cluster = cluster
        self._region = cluster.regions[process % len(cluster.regions)]
        self._random = random.Random(f"{seed} {process}")
        self._books = records
        self._connection: psycopg.Connection[Any] | None = None
        self._key = ""

    def work(self, until: float) -> None:
        """Make transfers and audits, with failures, until the time is over."""
        try:
            while time.monotonic() < until:
                if self._random.random() < 0.2:
                    self._sum_up()
                else:
                    self._transfer()
        except Exception as error:
            self._books.wrong.append(repr(error))
        finally:
            if self._connection is not None:
                self._connection.close()

    def _session(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._cluster.dsn(self._region), connect_timeout=5)
        return self._connection

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            with self._books.lock:
                self._books.slowest = max(self._books.slowest, took)

    def _ask(self, sql: str, *parameters: Any) -> list[Any]:
        with self._timed():
            cursor = self._session().execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def _sum_up(self) -> None:
        with self._timed(), self._session() as session:
            ((total,),) = session.execute("SELECT sum(balance) FROM account").fetchall()
            rows = session.execute("SELECT balance FROM account").fetchall()
        if total != ACCOUNTS * START or sum(row[0] for row in rows) != total:
            self._books.wrong.append(f"a reader saw {total} and {rows}")

    def _transfer(self) -> None:
        source, target = self._random.sample(range(1, ACCOUNTS + 1), 2)
        ((self._key,),) = self._ask("SELECT gen_random_uuid()::text")
        self._session().rollback()
        amount = self._random.randint(1, 50)
        accident = self._random.choice(_ACCIDENTS)
        steps: list[Callable[[], object]] = [
            lambda: self._ask("SELECT balance FROM account WHERE id = %s FOR UPDATE", source),
            lambda: self._ask("UPDATE account SET balance = balance - %s WHERE id = %s", amount, source),
            lambda: self._ask("UPDATE account SET balance = balance + %s WHERE id = %s", amount, target),
            lambda: self._ask("INSERT INTO entry VALUES (%s, %s, %s, %s)", self._key, source, target, amount),
        ]
        self._random.shuffle(steps)
        at = len(steps) if accident is Client.cut_in_commit else self._random.randint(1, len(steps))
        outcome = "failed"
        try:
            for step in steps[:at]:
                step()
            if accident is not None:
                self._count(accident.__name__)
            if accident is not None and accident(self):
                outcome = "unknown" if accident is Client.cut_in_commit else "failed"
            else:
                for step in steps[at:]:
                    step()
                with self._timed():
                    self._session().commit()
                outcome = "committed"
        except psycopg.errors.SerializationFailure:
            self._count("40001")
        except psycopg.errors.CheckViolation:
            self._count("23514")
        except psycopg.errors.DeadlockDetected:
            self._count("40P01")  # of a database with row locks
        with contextlib.suppress(psycopg.OperationalError):
            self._session().rollback()
        with self._books.lock:
            getattr(self._books, outcome).add(self._key)

    def _count(self, what: str) -> None:
        with self._books.lock:
            self._books.seen[what] += 1

    # failures: each returns whether the transaction has ended

    def hang_up(self) -> bool:
        """The process ends between two statements."""
        self._cut()
        return True

    def cut_in_statement(self) -> bool:
        """The connection breaks while a statement runs."""
        self._session().pgconn.send_query(b"UPDATE account SET balance = balance + 0")
        self._session().pgconn.flush()
        time.sleep(self._random.choice((0, 0, 0.001, 0.005)))
        self._cut()
        return True

    def cut_in_commit(self) -> bool:
        """The connection breaks before the reply to COMMIT."""
        self._session().pgconn.send_query(b"COMMIT")
        self._session().pgconn.flush()
        time.sleep(self._random.choice((0, 0.002, 0.02)))
        self._cut()
        return True

    def fail(self) -> bool:
        """A statement fails; the transaction is rolled back on the same connection."""
        sql = self._random.choice(("SELECT 1 / 0 FROM account", "UPDATE account SET balance = -1", "SELEC"))
        with contextlib.suppress(psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError):
            self._ask(sql)
            self._books.wrong.append(f"{sql} succeeded")
        self._session().rollback()
        return True

    def cancel(self) -> bool:
        """A statement is cancelled, with or without effect; the session continues."""
        session = self._session()
        timer = threading.Timer(0.005, session.cancel_safe)
        timer.start()
        stopped = False
        try:
            self._ask("SELECT pg_sleep(0.03)")
        except psycopg.errors.QueryCanceled:
            stopped = True
            session.rollback()
        finally:
            timer.join()
        return stopped

    def _cut(self) -> None:
        """Close the connection like the kernel does for a killed process."""
        connection = self._session()
        with socket.socket(fileno=os.dup(connection.fileno())) as raw:
            raw.shutdown(socket.SHUT_RDWR)
        connection.close()


_ACCIDENTS: tuple[Callable[[Client], bool] | None, ...] = (
    None,
    None,
    None,
    Client.hang_up,
    Client.cut_in_statement,
    Client.cut_in_commit,
    Client.fail,
    Client.cancel,
)


@dataclass(frozen=True)
class Books:
    """The tables after a run: number of transfers, committed ones that are missing, and other contradictions."""

    entries: int
    lost: int
    wrong: list[str]


def compare(admin: psycopg.Connection[Any], records: Records) -> Books:
    """Compare the tables with what the clients were told."""
    entries = admin.execute("SELECT key::text, source, target, amount FROM entry").fetchall()
    balances: dict[int, int] = dict(admin.execute("SELECT id, balance FROM account").fetchall())
    keys = {entry[0] for entry in entries}
    wrong = list(records.wrong)
    if unknown := keys - records.committed - records.unknown:
        wrong.append(f"{len(unknown)} transfers are there that no client has committed")
    expected = dict.fromkeys(range(1, ACCOUNTS + 1), START)
    for _, source, target, amount in entries:
        expected[source] -= amount
        expected[target] += amount
    if balances != expected:
        wrong.append(f"the balances are {balances}, the transfers give {expected}")
    return Books(len(entries), len(records.committed - keys), wrong)


def run(cluster: Endpoints, seconds: float, seed: int) -> Records:
    """Run all clients for some seconds and return the records; no client may hang."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        for sql in SETUP:
            admin.execute(sql)
    records = Records()
    clients = [Client(cluster, process, seed, records) for process in range(CLIENTS)]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=client.work, args=(until,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 10)
    if any(thread.is_alive() for thread in threads):
        records.wrong.append("a client hangs")
    return records
