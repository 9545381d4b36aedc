"""The list-append workload: the list of a key is a text of comma-separated numbers, in several kinds of tables."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg

from tests.isolation.history import Append, Operation, Outcome, Read, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.isolation.endpoints import Endpoints

TABLES = {
    "keyed": "CREATE TABLE keyed (k text PRIMARY KEY, v text NOT NULL)",
    "surrogate": "CREATE TABLE surrogate (id bigint PRIMARY KEY, k text NOT NULL UNIQUE, v text NOT NULL)",
    "keyless": "CREATE TABLE keyless (k text, v text)",
}
"""A list found by its primary key, one found by a second key and moved by the first, one that has no key at all."""

KEYS = ("keyed-1", "keyed-2", "keyed-3", "surrogate-1", "surrogate-2", "keyless-1")
CLIENTS = 7
LONGEST_STATEMENT = 5.0
"""Seconds of a statement, seven clients on two shared cores; one that waits for a transaction never ends."""


@dataclass
class Run:
    """Result of a run: the history, and counts of kinds of writes and of SQLSTATEs."""

    history: list[Transaction] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, transaction: Transaction, remarks: Sequence[str], slowest: float) -> None:
        """Add the results of one transaction."""
        with self._lock:
            self.history.append(transaction)
            self.seen.update(remarks)
            self.slowest = max(self.slowest, slowest)


def run(
    cluster: Endpoints, transactions: int, seed: int, *, lone_loses: bool = False, locks: bool = False
) -> Run:
    """Run this number of transactions in all clients together, and finally one that reads all keys.

    `lone_loses` allows conflicts of statements in autocommit mode, which occur if their COMMIT has to wait.
    `locks` allows what a database with row locks answers: a conflict or a deadlock of any statement.
    """
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        for name, sql in TABLES.items():
            admin.execute(f"DROP TABLE IF EXISTS {name}")
            admin.execute(sql)
        for key in KEYS:
            admin.execute(_INSERT[_table(key)], (key, ""))
    numbers = count(1)
    found = Run()
    clients = [
        Client(cluster, process, seed, numbers, found, lone_loses, locks) for process in range(CLIENTS)
    ]
    threads = [threading.Thread(target=client.work, args=(transactions // CLIENTS,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [client.error for client in clients if client.error is not None]
    if errors:
        raise errors[0]
    last = Client(cluster, CLIENTS, seed, numbers, found)
    last.read_everything()
    return found


_INSERT = {
    "keyed": "INSERT INTO keyed VALUES (%s, %s)",
    "surrogate": "INSERT INTO surrogate VALUES (abs(hashtext(gen_random_uuid()::text)), %s, %s)",
    "keyless": "INSERT INTO keyless VALUES (%s, %s)",
}
_TAIL = "v = {0}.v || CASE WHEN {0}.v = '' THEN '' ELSE ',' END || %s"


def _table(key: str) -> str:
    return key.partition("-")[0]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()


class Client:
    """One client: a connection to one Region, random transactions one after the other."""

    def __init__(
        self,
        cluster: Endpoints,
        process: int,
        seed: int,
        numbers: Iterator[int],
        found: Run,
        lone_loses: bool = False,
        locks: bool = False,
    ) -> None:
        self.error: BaseException | None = None
        self._lone_loses = lone_loses
        self._locks = locks
        self._random = random.Random(f"{seed} {process}")
        self._process = process
        self._numbers = numbers
        self._found = found
        region = cluster.regions[process % len(cluster.regions)]
        # Every third client uses the simple protocol, the others use prepared statements.
        kind = psycopg.ClientCursor if process % 3 == 2 else psycopg.Cursor
        self._connection: psycopg.Connection[Any] = psycopg.connect(
            cluster.dsn(region), cursor_factory=kind, prepare_threshold=2
        )
        self._operations: list[Operation] = []
        self._slowest = 0.0
        self._odd = ""
        """An answer that only a transaction that has lost may get."""

    def work(self, transactions: int) -> None:
        """Run this number of transactions; an unexpected error is stored in `error`."""
        try:
            with self._connection:
                for _ in range(transactions):
                    autocommit = self._random.random() < 0.2
                    steps = 1 if autocommit else self._random.randint(2, 4)
                    self._run([self._any_step] * steps, autocommit=autocommit)
        except BaseException as error:
            self.error = error

    def read_everything(self) -> None:
        """Read all keys in one transaction."""
        with self._connection:
            self._run([partial(self._read, key) for key in KEYS])

    def _run(self, steps: Sequence[Callable[[], str]], *, autocommit: bool = False) -> None:
        self._operations, self._slowest, self._odd = [], 0.0, ""
        remarks = ["autocommit"] if autocommit else []
        number, start = next(self._numbers), time.monotonic()
        outcome: Outcome = "ok"
        self._connection.autocommit = autocommit
        early = True
        try:
            remarks += [step() for step in steps]
            early = False
            self._connection.commit()
            assert not self._odd, self._odd
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
            outcome = "fail"
            if self._locks:
                remarks.append(f"{error.sqlstate} at a lock")
            elif isinstance(error, psycopg.errors.DeadlockDetected) or (
                early and not (autocommit and self._lone_loses)
            ):
                raise
            else:
                remarks.append("40001 at COMMIT")
                assert "(OC000)" in str(error)
        finally:
            self._connection.rollback()
        operations = tuple(self._operations)
        transaction = Transaction(number, self._process, start, time.monotonic(), outcome, operations)
        self._found.add(transaction, remarks, self._slowest)

    def _any_step(self) -> str:
        key = self._random.choice(KEYS)
        if self._random.random() < 0.45:
            return self._read(key)
        ways = [self._append, self._append_and_return]
        if not self._connection.autocommit:
            ways += [self._read_modify_write, self._lock_and_write, self._replace]
        if _table(key) == "keyed":
            ways.append(self._upsert)
        if _table(key) == "surrogate":
            ways += [self._move, self._upsert_by_second_key]
        return self._random.choice(ways)(key)

    def _ask(self, sql: str, *parameters: Any) -> Any:
        began = time.monotonic()
        cursor = self._connection.execute(sql, parameters)
        self._slowest = max(self._slowest, time.monotonic() - began)
        rows = [(None,)] * cursor.rowcount if cursor.description is None else cursor.fetchall()
        if len(rows) != 1:
            self._odd = f"{sql}: {rows}"
        return rows[0][0] if rows else ""

    def _read(self, key: str, lock: str = "") -> str:
        text = self._ask(f"SELECT v FROM {_table(key)} WHERE k = %s {lock}", key)
        self._operations.append(Read(key, _numbers(text)))
        return f"read {lock}"

    def _wrote(self, key: str, value: int, text: str | None = None) -> str:
        self._operations.append(Append(key, value))
        if text is not None:
            self._operations.append(Read(key, _numbers(text)))
        return "append"

    def _append(self, key: str) -> str:
        value = next(self._numbers)
        self._ask(f"UPDATE {_table(key)} SET {_TAIL.format(_table(key))} WHERE k = %s", str(value), key)
        return self._wrote(key, value)

    def _append_and_return(self, key: str) -> str:
        value = next(self._numbers)
        sql = f"UPDATE {_table(key)} SET {_TAIL.format(_table(key))} WHERE k = %s RETURNING v"
        self._wrote(key, value, self._ask(sql, str(value), key))
        return "returning"

    def _read_modify_write(self, key: str, lock: str = "") -> str:
        self._read(key, lock)
        seen = self._operations[-1]
        assert isinstance(seen, Read)
        value = next(self._numbers)
        text = ",".join(map(str, (*seen.values, value)))
        self._ask(f"UPDATE {_table(key)} SET v = %s WHERE k = %s", text, key)
        self._wrote(key, value)
        return "read-modify-write"

    def _lock_and_write(self, key: str) -> str:
        self._read_modify_write(key, "FOR UPDATE")
        return "for update"

    def _replace(self, key: str) -> str:
        """Delete the row and insert a new one."""
        value = next(self._numbers)
        before = _numbers(self._ask(f"DELETE FROM {_table(key)} WHERE k = %s RETURNING v", key))
        self._operations.append(Read(key, before))
        self._ask(_INSERT[_table(key)], key, ",".join(map(str, (*before, value))))
        self._wrote(key, value)
        return "replace"

    def _move(self, key: str) -> str:
        """Update the primary key together with the list."""
        value = next(self._numbers)
        sql = f"UPDATE surrogate SET id = id + %s, {_TAIL.format('surrogate')} WHERE k = %s RETURNING v"
        self._wrote(key, value, self._ask(sql, value, str(value), key))
        return "move"

    def _upsert(self, key: str) -> str:
        value = next(self._numbers)
        sql = f"{_INSERT['keyed']} ON CONFLICT (k) DO UPDATE SET {_TAIL.format('keyed')}"
        self._ask(sql, key, str(value), str(value))
        self._wrote(key, value)
        return "upsert"

    def _upsert_by_second_key(self, key: str) -> str:
        value = next(self._numbers)
        sql = f"{_INSERT['surrogate']} ON CONFLICT (k) DO UPDATE SET {_TAIL.format('surrogate')} RETURNING v"
        self._wrote(key, value, self._ask(sql, key, str(value), str(value)))
        return "upsert by second key"
