"""Random interleavings of three sessions in one thread, each answer compared with a model's."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.local_dsql.front.snapshot_model import Model, Store

if TYPE_CHECKING:
    from tests.local_dsql.front.cluster import Cluster

KEYS = range(1, 7)
SESSIONS = 3
STEPS = 30
LONGEST = 1.0
"""Seconds; far more than a statement takes on a busy machine, far less than for ever."""

OPERATIONS = (
    *["update"] * 3,
    *["insert", "select", "commit"] * 2,
    *["delete", "update-many", "lock", "upsert", "rollback"],
)


@dataclass
class Statement:
    """A statement, the keys it touches, what the model says it answers; `doomable` may differ once doomed."""

    sql: str
    parameters: tuple[Any, ...]
    touches: set[int]
    answer: Any


class Round:
    """One round: a table, three sessions, their models, and what has been said."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.store = Store()
        self.log: list[str] = []
        self.longest = 0.0
        self.statements = 0
        self.admin = cluster.connect()
        self.sessions = [cluster.connect(autocommit=False) for _ in range(SESSIONS)]
        self.models: list[Model | None] = [None] * SESSIONS
        self.admin.execute("CREATE TABLE IF NOT EXISTS model (id int PRIMARY KEY, g int, v text)")

    def close(self) -> None:
        for session in (*self.sessions, self.admin):
            session.close()

    def play(self) -> None:
        """Play one round."""
        for session in self.sessions:
            session.rollback()
        self.models = [None] * SESSIONS
        self.store = Store()
        self.log = []
        self.admin.execute("DELETE FROM model")
        for key in KEYS:
            if self.random.random() < 0.6:
                self.admin.execute("INSERT INTO model VALUES (%s, %s, %s)", (key, key % 2, f"i{key}"))
                self.store.rows[key] = (key % 2, f"i{key}")
        for step in range(STEPS):
            self._step(self.random.randrange(SESSIONS), step)
        for session in self.sessions:
            session.rollback()
        rows = {row[0]: (row[1], row[2]) for row in self.admin.execute("SELECT * FROM model")}
        self._same("final state", rows, self.store.rows)

    def _step(self, index: int, step: int) -> None:
        operation = self.random.choice(OPERATIONS)
        if operation in ("commit", "rollback"):
            self._end(index, operation)
            return
        model = self.models[index]
        if model is None:
            model = self.models[index] = Model(self.store)
        statement = self._statement(model, operation, f"{index}.{step}")
        was = model.doomed or model.lost()
        now = statement.answer != "23505" and model.lost(statement.touches)
        got = self._execute(index, statement)
        self.log.append(
            f"{index} {statement.sql} {statement.parameters} -> {got}{' doomed' if was or now else ''}"
        )
        if was or (now and operation not in ("insert",)):
            if isinstance(got, str):
                self._same("doomed statement", got, "23505")
        else:
            self._same("statement", got, statement.answer)
        if got == "23505" or statement.answer == "23505":
            self.sessions[index].rollback()
            self.models[index] = None
            return
        self._apply(model, operation, statement, f"{index}.{step}")
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
        began = time.monotonic()
        try:
            cursor = self.sessions[index].execute(statement.sql, statement.parameters)
            return cursor.fetchall() if cursor.description else cursor.rowcount
        except psycopg.Error as error:
            return error.sqlstate or str(error)
        finally:
            self.statements += 1
            self.longest = max(self.longest, time.monotonic() - began)

    def _end(self, index: int, operation: str) -> None:
        model = self.models[index]
        if model is None:
            return
        self.models[index] = None
        if operation == "rollback":
            self.sessions[index].rollback()
            self.log.append(f"{index} ROLLBACK")
            return
        want = model.commit()
        try:
            self.sessions[index].commit()
            got: Any = True
        except psycopg.Error as error:
            got = False if error.sqlstate == "40001" and "OC000" in str(error) else str(error)
            self.sessions[index].rollback()
        self.log.append(f"{index} COMMIT -> {got}")
        self._same("commit", got, want)

    def _same(self, what: str, got: Any, want: Any) -> None:
        assert got == want, f"seed {self.seed}: {what}: got {got!r}, want {want!r}\n" + "\n".join(self.log)


def play(cluster: Cluster, seed: int, rounds: int) -> Round:
    """Play rounds of one seed."""
    game = Round(cluster, seed)
    try:
        for _ in range(rounds):
            game.play()
    finally:
        game.close()
    assert game.longest < LONGEST
    return game


@pytest.mark.parametrize("seed", range(3))
def test_every_answer_is_the_models(cluster: Cluster, seed: int) -> None:
    """A few hundred statements a seed, as much as fits into a test run."""
    play(cluster, seed, rounds=15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_every_answer_is_the_models_for_long(cluster: Cluster, seed: int) -> None:
    """About 100,000 statements in all."""
    play(cluster, seed, rounds=400)
