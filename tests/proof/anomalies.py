"""Anomalies of Adya and Bailis as scripts for any database: which of them happen, on locks or with optimistic control.

The scripts follow the Hermitage repository by Martin Kleppmann (CC BY 4.0). A statement may wait for a lock: then the
script continues with the next session. The verdict is taken from answers and final rows, not from error codes.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import psycopg

from tests.proof.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proof.targets import Target

Rows: TypeAlias = "list[tuple[object, ...]]"
TABLE = "proof_anomaly"
LONGEST = 20.0
"""Seconds after which a statement that waits for no lock counts as hanging."""

SNAPSHOT = "REPEATABLE READ"
"""The level that is snapshot isolation in PostgreSQL, and the only one of DSQL."""

_CONFLICTS = ("40001", "40P01")


@dataclass
class Outcome:
    """Result of a script: sessions that have committed, all reads of each session in order, final rows."""

    committed: set[str] = field(default_factory=set)
    reads: dict[str, list[Rows]] = field(default_factory=dict)
    final: dict[object, object] = field(default_factory=dict)
    conflicts: int = 0

    def values(self, session: str) -> set[object]:
        """Return all values in the last column that a session has read."""
        return {row[-1] for rows in self.reads.get(session, []) for row in rows}


@dataclass(frozen=True)
class Script:
    """A script of steps, a test for the anomaly, and whether snapshot isolation allows it."""

    name: str
    steps: tuple[tuple[str, str], ...]
    happened: Callable[[Outcome], bool]
    allowed: bool = False


ALL = f"SELECT id, value FROM {TABLE} ORDER BY id"
ONE, TWO = (f"SELECT value FROM {TABLE} WHERE id = {key}" for key in (1, 2))
THIRDS = f"SELECT id, value FROM {TABLE} WHERE value % 3 = 0"
COMMIT = "COMMIT"


def put(key: int, value: int) -> str:
    """Write one row."""
    return f"UPDATE {TABLE} SET value = {value} WHERE id = {key}"


def both(outcome: Outcome) -> bool:
    """Return whether both transactions have committed."""
    return {"a", "b"} <= outcome.committed


def vanished(outcome: Outcome) -> bool:
    """Return whether a reader saw half of a transaction, or an older state after a newer one."""
    order: list[tuple[object, ...]] = [(10, 20), (11, 19), (12, 18)]
    seen = [tuple(row[1] for row in rows) for rows in outcome.reads["c"]]
    return any(each not in order for each in seen) or sorted(seen, key=lambda each: order.index(each)) != seen


SCRIPTS = (
    Script(
        "G0 write cycle",
        (
            *(("a", put(1, 11)), ("b", put(1, 12)), ("a", put(2, 21)), ("a", COMMIT)),
            *(("b", put(2, 22)), ("b", COMMIT)),
        ),
        lambda seen: tuple(seen.final.values()) not in {(11, 21), (12, 22)},
    ),
    Script(
        "G1a aborted read",
        (("a", put(1, 101)), ("b", ALL), ("a", "ROLLBACK"), ("b", ALL), ("b", COMMIT)),
        lambda seen: 101 in seen.values("b"),
    ),
    Script(
        "G1b intermediate read",
        (("a", put(1, 101)), ("b", ONE), ("a", put(1, 11)), ("a", COMMIT), ("b", ONE), ("b", COMMIT)),
        lambda seen: 101 in seen.values("b"),
    ),
    Script(
        "G1c circular information flow",
        (("a", put(1, 11)), ("b", put(2, 22)), ("a", TWO), ("b", ONE), ("a", COMMIT), ("b", COMMIT)),
        lambda seen: 22 in seen.values("a") or 11 in seen.values("b"),
    ),
    Script(
        "OTV observed transaction vanishes",
        (
            *(("a", put(1, 11)), ("a", put(2, 19)), ("b", put(1, 12)), ("a", COMMIT), ("c", ALL)),
            *(("b", put(2, 18)), ("c", ALL), ("b", COMMIT), ("c", ALL), ("c", COMMIT)),
        ),
        vanished,
    ),
    Script(
        "PMP predicate-many-preceders, reads",
        (
            *(("a", THIRDS), ("b", f"INSERT INTO {TABLE} VALUES (3, 30)"), ("b", COMMIT)),
            *(("a", THIRDS), ("a", COMMIT)),
        ),
        lambda seen: seen.values("a") != set(),
    ),
    Script(
        "PMP predicate-many-preceders, writes",
        (
            ("a", f"UPDATE {TABLE} SET value = value + 10"),
            ("b", f"DELETE FROM {TABLE} WHERE value = 20"),
            *(("a", COMMIT), ("b", COMMIT)),
        ),
        lambda seen: both(seen) and seen.final not in ({2: 30}, {1: 20}),
    ),
    Script(
        "P4 lost update",
        (
            *(("a", ONE), ("b", ONE), ("a", put(1, 11)), ("b", put(1, 12))),
            *(("a", COMMIT), ("b", COMMIT)),
        ),
        both,
    ),
    Script(
        "G-single read skew",
        (
            *(("a", ONE), ("b", put(1, 12)), ("b", put(2, 18)), ("b", COMMIT)),
            *(("a", TWO), ("a", COMMIT)),
        ),
        lambda seen: 18 in seen.values("a"),
    ),
    Script(
        "G-single read skew, predicates",
        (
            ("a", f"SELECT id, value FROM {TABLE} WHERE value % 5 = 0"),
            *(("b", put(1, 12)), ("b", COMMIT), ("a", THIRDS), ("a", COMMIT)),
        ),
        lambda seen: 12 in seen.values("a"),
    ),
    Script(
        "G-single read skew, writes",
        (
            *(("a", ONE), ("b", put(1, 12)), ("b", put(2, 18)), ("b", COMMIT)),
            *(("a", f"DELETE FROM {TABLE} WHERE value IN (18, 20)"), ("a", COMMIT)),
        ),
        both,
    ),
    Script(
        "G2-item write skew",
        (
            *(("a", ALL), ("b", ALL), ("a", put(1, 11)), ("b", put(2, 21))),
            *(("a", COMMIT), ("b", COMMIT)),
        ),
        both,
        allowed=True,
    ),
    Script(
        "G2-item write skew, FOR UPDATE",
        (
            *(("a", f"{TWO} FOR UPDATE"), ("b", f"{ONE} FOR UPDATE"), ("a", put(1, 11)), ("b", put(2, 21))),
            *(("a", COMMIT), ("b", COMMIT)),
        ),
        both,
    ),
    Script(
        "G2 predicate write skew",
        (
            *(("a", THIRDS), ("b", THIRDS), ("a", f"INSERT INTO {TABLE} VALUES (3, 30)")),
            *(("b", f"INSERT INTO {TABLE} VALUES (4, 42)"), ("a", COMMIT), ("b", COMMIT)),
        ),
        both,
        allowed=True,
    ),
    Script(
        "G2 with a read-only observer",
        (
            *(("a", ALL), ("b", put(2, 25)), ("b", COMMIT), ("c", ALL), ("c", COMMIT)),
            *(("a", put(1, 0)), ("a", COMMIT)),
        ),
        lambda seen: {"a", "b", "c"} <= seen.committed and 25 in seen.values("c"),
        allowed=True,
    ),
)


class Session:
    """One connection with a thread of its own, so that a statement may wait."""

    def __init__(self, dsn: str, name: str, level: str, outcome: Outcome) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._pool = ThreadPoolExecutor(1)
        self._name, self._level, self._outcome = name, level, outcome
        self._begun = self._failed = False
        self.pid = self._connection.info.backend_pid
        self.last: Future[None] | None = None

    def start(self, sql: str) -> None:
        """Send a statement after those before it."""
        self.last = self._pool.submit(self._execute, sql)

    def _execute(self, sql: str) -> None:
        if self._failed:
            return
        try:
            if not self._begun:
                self._connection.execute(f"BEGIN ISOLATION LEVEL {self._level}".encode())
                self._begun = True
            cursor = self._connection.execute(sql.encode())
            if cursor.description is not None:
                self._outcome.reads.setdefault(self._name, []).append(cursor.fetchall())
            if sql == COMMIT and cursor.statusmessage == COMMIT:
                self._outcome.committed.add(self._name)
        except psycopg.Error as error:
            self._failed = True
            if error.sqlstate not in _CONFLICTS:
                raise
            self._outcome.conflicts += 1
            self._connection.execute("ROLLBACK")  # releases its locks, which the others wait for

    def close(self) -> None:
        """Wait for the statements, and raise what failed with something else than a conflict."""
        self._pool.shutdown()
        self._connection.close()
        if self.last is not None:
            self.last.result()


def run(target: Target, script: Script, level: str = SNAPSHOT) -> Figure:
    """Run a script on fresh rows; `wrong` is 1 if an anomaly happened that the level must prevent."""
    figure, outcome = Figure(script.name, target.name), Outcome()
    with psycopg.connect(target.dsn(), autocommit=True) as admin:
        admin.execute(f"DELETE FROM {TABLE}".encode())
        admin.execute(f"INSERT INTO {TABLE} VALUES (1, 10), (2, 20)".encode())
        names = dict.fromkeys(name for name, _ in script.steps)
        regions = target.regions
        sessions = {
            name: Session(target.dsn(regions[at % len(regions)]), name, level, outcome)
            for at, name in enumerate(names)
        }
        try:
            for name, sql in script.steps:
                sessions[name].start(sql)
                _until_done_or_waiting(sessions[name], admin, optimistic=target.optimistic)
        finally:
            for session in sessions.values():
                session.close()
        outcome.final = dict(admin.execute(ALL.encode()).fetchall())
    happened = script.happened(outcome)
    figure.transactions, figure.conflicts = len(sessions), outcome.conflicts
    figure.wrong = int(happened and not script.allowed)
    figure.note = (
        "happens, as snapshot isolation allows"
        if happened and script.allowed
        else ("HAPPENS" if happened else "prevented")
    )
    return figure.finish()


def _until_done_or_waiting(
    session: Session, admin: psycopg.Connection[tuple[object, ...]], *, optimistic: bool
) -> None:
    """Wait for the last statement, or until it waits for a lock."""
    assert session.last is not None
    until = time.monotonic() + LONGEST
    while not wait([session.last], 0.05).done:
        assert time.monotonic() < until, "a statement hangs"
        if not optimistic:
            query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            if admin.execute(query, (session.pid,)).fetchone():
                return


def every(target: Target, level: str = SNAPSHOT) -> list[Figure]:
    """Run all scripts, on a table of their own."""
    with psycopg.connect(target.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP TABLE IF EXISTS {TABLE}".encode())
        admin.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, value int)".encode())
        figures = [run(target, script, level) for script in SCRIPTS]
        admin.execute(f"DROP TABLE {TABLE}".encode())
    return figures
