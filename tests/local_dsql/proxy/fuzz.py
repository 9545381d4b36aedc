"""Random interleavings of three sessions in one thread, each answer compared with a model's.

A round is one set of overlapping transactions: three to nine statements, then every session commits or rolls back.
The table is not emptied in between; what one round leaves is where the next begins, in the model as in the database.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from local_dsql.client.launch import SUSPEND_ALWAYS
from tests.local_dsql.proxy.heartbeat import Heartbeat
from tests.local_dsql.proxy.snapshot_model import Model, Store

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster

KEYS = range(1, 7)
SESSIONS = 3
LONGEST = 0.25
"""Seconds that a statement may wait for another transaction."""

OPERATIONS = (
    *["update"] * 3,
    *["insert", "select", "commit"] * 2,
    *["delete", "update-many", "lock", "upsert", "rollback"],
)
_SHOWN_ROUNDS = 3


@dataclass
class Statement:
    """A statement, the keys it touches, what the model says it answers."""

    sql: str
    parameters: tuple[Any, ...]
    touches: set[int]
    answer: Any


class Fuzz:
    """A table, three sessions, their models, and what has been said.

    `prepared` sends every statement as a prepared one; else the driver decides.
    """

    def __init__(self, cluster: Cluster, seed: int, *, prepared: bool) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.prepared = prepared
        self.store = Store()
        self.log: list[list[str]] = []
        self.statements = 0
        self.rounds = 0
        self.conflicts = 0
        self.admin = cluster.connect()
        self.sessions = [cluster.connect(autocommit=False) for _ in range(SESSIONS)]
        self.models: list[Model | None] = [None] * SESSIONS
        self.admin.execute("CREATE TABLE IF NOT EXISTS model (id int PRIMARY KEY, g int, v text)")
        self.admin.execute("DELETE FROM model")

    def close(self) -> None:
        """Hang up."""
        for session in (*self.sessions, self.admin):
            session.close()

    def play(self) -> None:
        """Play one round."""
        self.rounds += 1
        self.log = [*self.log[1 - _SHOWN_ROUNDS :], []]
        for step in range(self.random.randrange(3, 10)):
            self._step(self.random.randrange(SESSIONS), f"{self.rounds}.{step}")
        for index in self.random.sample(range(SESSIONS), SESSIONS):
            self._end(index, "commit" if self.random.random() < 0.7 else "rollback")
        rows = {row[0]: (row[1], row[2]) for row in self.admin.execute("SELECT * FROM model")}
        self._same("final state", rows, self.store.rows)

    def _step(self, index: int, label: str) -> None:
        operation = self.random.choice(OPERATIONS)
        if operation in ("commit", "rollback"):
            self._end(index, operation)
            return
        model = self.models[index]
        if model is None:
            model = self.models[index] = Model(self.store)
        statement = self._statement(model, operation, label)
        was = model.doomed or model.lost()
        now = statement.answer != "23505" and model.lost(statement.touches)
        got = self._execute(index, statement)
        self.log[-1].append(
            f"{index} {statement.sql} {statement.parameters} -> {got}{' doomed' if was or now else ''}"
        )
        if was or (now and operation != "insert"):
            if isinstance(got, str):
                self._same("doomed statement", got, "23505")
        else:
            self._same("statement", got, statement.answer)
        if got == "23505" or statement.answer == "23505":
            self.sessions[index].rollback()
            self.models[index] = None
            return
        self._apply(model, operation, statement, label)
        model.doomed |= now and bool(statement.touches)

    def _statement(self, model: Model, operation: str, text: str) -> Statement:
        view = model.view()
        key = self.random.choice(KEYS)
        there = {key} & view.keys()
        if operation == "update":
            return Statement("UPDATE model SET v = %s WHERE id = %s", (text, key), there, len(there))
        if operation == "update-many":
            many = {each for each in view if view[each][0] == key % 2}
            return Statement("UPDATE model SET v = %s WHERE g = %s", (text, key % 2), many, len(many))
        if operation == "delete":
            return Statement("DELETE FROM model WHERE id = %s", (key,), there, len(there))
        if operation == "insert":
            answer = "23505" if there else 1
            return Statement("INSERT INTO model VALUES (%s, %s, %s)", (key, key % 2, text), {key}, answer)
        if operation == "upsert":
            sql = "INSERT INTO model VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
            return Statement(sql, (key, key % 2, text), {key}, 1)
        if operation == "lock":
            rows = [(view[key][1],)] if there else []
            return Statement("SELECT v FROM model WHERE id = %s FOR UPDATE", (key,), there, rows)
        return Statement(
            "SELECT id, v FROM model ORDER BY id", (), set(), [(k, view[k][1]) for k in sorted(view)]
        )

    @staticmethod
    def _apply(model: Model, operation: str, statement: Statement, text: str) -> None:
        if operation in ("update", "update-many"):
            model.update(statement.touches, text)
        elif operation == "delete":
            model.delete(statement.touches)
        elif operation in ("insert", "upsert"):
            (key,) = statement.touches
            model.insert(key, (key % 2, text))
        elif operation == "lock":
            model.touched |= statement.touches

    def _execute(self, index: int, statement: Statement) -> Any:
        self.statements += 1
        try:
            cursor = self.sessions[index].execute(
                statement.sql, statement.parameters, prepare=self.prepared or None
            )
            return cursor.fetchall() if cursor.description else cursor.rowcount
        except psycopg.Error as error:
            return error.sqlstate or str(error)

    def _end(self, index: int, operation: str) -> None:
        model = self.models[index]
        if model is None:
            return
        self.models[index] = None
        if operation == "rollback":
            self.sessions[index].rollback()
            self.log[-1].append(f"{index} ROLLBACK")
            return
        want = model.commit()
        try:
            self.sessions[index].commit()
            got: Any = True
        except psycopg.Error as error:
            got = False if error.sqlstate == "40001" and "OC000" in str(error) else str(error)
            self.sessions[index].rollback()
        self.log[-1].append(f"{index} COMMIT -> {got}")
        self.conflicts += got is False
        self._same("commit", got, want)

    def _same(self, what: str, got: Any, want: Any) -> None:
        story = "\n".join(line for each in self.log for line in each)
        assert got == want, (
            f"seed {self.seed}, round {self.rounds}: {what}: got {got!r}, want {want!r}\n{story}"
        )


def play(cluster: Cluster, seed: int, *, prepared: bool, rounds: int = 0, statements: int = 0) -> None:
    """Play at least so many rounds and statements, and check how long statements waited for transactions."""
    game = Fuzz(cluster, seed, prepared=prepared)
    waits = cluster.proxy.engine.services.wait_log.entries
    waited = 0
    with Heartbeat() as heart:
        try:
            while game.rounds < rounds or game.statements < statements:
                waits.clear()
                game.play()
                for wait in waits:
                    waited += 1
                    ended = wait.began + wait.seconds
                    assert wait.seconds - heart.stalled(wait.began, ended) < LONGEST, wait
        finally:
            game.close()
    # A run without any conflict proves nothing.
    assert SUSPEND_ALWAYS or waited > game.rounds / 20
    assert game.conflicts > game.rounds / 20
