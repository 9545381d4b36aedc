"""Clients that note every answer to COMMIT while a database fails, and the comparison of notes and tables.

A transaction inserts a row with a key of its own and increments one of a hundred counters. A client whose connection
breaks connects again until the time is over.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.proof.figures import Figure

COUNTERS = 100
PAUSE = 0.05
"""Seconds before another attempt to connect."""

TABLES = (
    "CREATE TABLE proof_entry (key uuid PRIMARY KEY, counter int NOT NULL, body text)",
    "CREATE TABLE proof_counter (id int PRIMARY KEY, n int NOT NULL)",
    f"INSERT INTO proof_counter SELECT g, 0 FROM generate_series(1, {COUNTERS}) g",
)


@dataclass
class Notes:
    """Keys by the answer to COMMIT, and counts: conflicts, broken connections, expected errors."""

    committed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    conflicts: int = 0
    broken: int = 0
    refused: int = 0
    unexpected: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Habits:
    """Behaviour of the clients.

    `cuts` is the share of COMMITs at which they cut the connection, `pause` the seconds between transactions,
    `expected` the SQLSTATEs of the fault, `body` the bytes that each row has in addition.
    """

    cuts: float = 0.0
    pause: float = 0.0
    expected: frozenset[str] = frozenset()
    body: int = 0


class Client:
    """One client of a DSN."""

    def __init__(self, dsn: str, notes: Notes, habits: Habits, seed: str) -> None:
        self._dsn, self._notes, self._habits = dsn, notes, habits
        self._random = random.Random(seed)
        self._connection: psycopg.Connection[Any] | None = None

    def work(self, until: float) -> None:
        """Run transactions until a moment of the monotonic clock."""
        try:
            while time.monotonic() < until:
                self._attempt()
                if self._habits.pause:
                    time.sleep(self._habits.pause * self._random.uniform(0.5, 1.5))
        except Exception as error:
            with self._notes.lock:
                self._notes.unexpected.append(repr(error))
        finally:
            self._drop()

    def _attempt(self) -> None:
        key, outcome, committing = str(uuid.UUID(int=self._random.getrandbits(128))), "failed", False
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._dsn, connect_timeout=10)
            connection = self._connection
            counter = self._random.randint(1, COUNTERS)
            body = self._random.randbytes(self._habits.body // 2).hex() or None
            connection.execute("INSERT INTO proof_entry VALUES (%s, %s, %s)", (key, counter, body))
            connection.execute("UPDATE proof_counter SET n = n + 1 WHERE id = %s", (counter,))
            committing = True
            if self._random.random() < self._habits.cuts:
                self._cut_at_commit(connection)
                outcome = "unknown"
            else:
                connection.commit()
                outcome = "committed"
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            self._count("conflicts")
            self._roll_back()
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(("57P", "08")):  # a broken connection
                self._count("broken")
                outcome = "unknown" if committing else "failed"
                self._drop()
                time.sleep(PAUSE)
            elif error.sqlstate in self._habits.expected:
                self._count("refused")
                self._roll_back()
                time.sleep(PAUSE)
            else:
                raise
        with self._notes.lock:
            getattr(self._notes, outcome).add(key)

    def _cut_at_commit(self, connection: psycopg.Connection[Any]) -> None:
        """Send COMMIT, and break the connection as the kernel does for a killed process."""
        connection.pgconn.send_query(b"COMMIT")
        connection.pgconn.flush()
        time.sleep(self._random.choice((0, 0.001, 0.005)))
        with socket.socket(fileno=os.dup(connection.fileno())) as raw:
            raw.shutdown(socket.SHUT_RDWR)
        self._count("broken")
        self._drop()

    def _roll_back(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.OperationalError):  # the next attempt connects again
                self._connection.rollback()
            if self._connection.closed:
                self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _count(self, name: str) -> None:
        with self._notes.lock:
            setattr(self._notes, name, getattr(self._notes, name) + 1)


class Crowd:
    """Clients at work on some DSNs, each in a thread, until `join`."""

    def __init__(self, dsns: Sequence[str], clients: int, seconds: float, habits: Habits) -> None:
        self.notes = Notes()
        self.until = time.monotonic() + seconds
        made = [
            Client(dsns[each % len(dsns)], self.notes, habits, f"{each} {clients}") for each in range(clients)
        ]
        self._threads = [threading.Thread(target=each.work, args=(self.until,), daemon=True) for each in made]
        for thread in self._threads:
            thread.start()

    def join(self) -> Notes:
        """Wait for all clients, and note those that hang."""
        for thread in self._threads:
            thread.join(max(0.0, self.until - time.monotonic()) + 30)
        hanging = sum(thread.is_alive() for thread in self._threads)
        if hanging:
            self.notes.unexpected.append(f"{hanging} clients hang")
        return self.notes


def prepare(dsn: str) -> None:
    """Create the tables, and drop those of an earlier case."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        for name in ("proof_entry", "proof_counter"):
            admin.execute(f"DROP TABLE IF EXISTS {name}".encode())
        for sql in TABLES:
            admin.execute(sql.encode())


def audit(dsn: str, notes: Notes, figure: Figure) -> Figure:
    """Compare the tables with the notes, and fill the figure.

    `lost` counts committed keys without a row. `wrong` counts rows of failed transactions, counters that differ from
    the rows, and errors that the case does not allow.
    """
    with psycopg.connect(dsn, autocommit=True) as admin:
        rows = admin.execute("SELECT key::text, counter FROM proof_entry").fetchall()
        counters: dict[int, int] = dict(admin.execute("SELECT id, n FROM proof_counter").fetchall())
    keys = {key for key, _ in rows}
    for _, counter in rows:
        counters[counter] -= 1
    figure.transactions = len(notes.committed) + len(notes.failed) + len(notes.unknown)
    figure.conflicts = notes.conflicts
    figure.lost = len(notes.committed - keys)
    differing = sum(left != 0 for left in counters.values())
    figure.wrong = len(keys - notes.committed - notes.unknown) + differing + len(notes.unexpected)
    figure.note = f"{notes.broken:,} connections broken, {len(notes.unknown):,} without an answer to COMMIT"
    if notes.unexpected:
        figure.note += f"; {notes.unexpected[0]}"
    return figure.finish()
