"""Random transactions: after every statement the log says what two snapshots show."""

from __future__ import annotations

import contextlib
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from tests.local_dsql.write_ahead_log.statements import random_statement

if TYPE_CHECKING:
    from tests.local_dsql.write_ahead_log.watched import Watched

RUNS = [
    pytest.param(1, 100, False, id="alone"),
    pytest.param(2, 80, True, id="with-others"),
    pytest.param(3, 2500, False, id="alone-long", marks=pytest.mark.slow),
    pytest.param(4, 2500, True, id="with-others-long", marks=pytest.mark.slow),
]


class Transaction:
    """One transaction of random statements and savepoints."""

    def __init__(self, watched: Watched, random: Random) -> None:
        self._watched, self._own, self._random = watched, watched.own, random
        self._savepoints: list[str] = []
        watched.begin()

    def step(self) -> bool:
        """Run a statement, and keep or roll back what came before it; return whether it passed."""
        self._turn_savepoints()
        self._execute("SAVEPOINT guard")
        try:
            if self._random.random() < 0.05:
                self._copy()
            else:
                self._execute(random_statement(self._random))
        except psycopg.DatabaseError:
            self._execute("ROLLBACK TO guard")
            return False
        if self._random.random() < 0.5:
            self._execute("RELEASE guard")
        return True

    def end(self) -> None:
        if self._random.random() < 0.5:
            try:
                self._watched.end("COMMIT")
            except psycopg.DatabaseError:  # a deferred constraint
                self._watched.observer.rollback()
        else:
            self._watched.end()

    def _turn_savepoints(self) -> None:
        choice = self._random.random()
        if choice < 0.2:
            self._savepoints.append(f"s{len(self._savepoints)}")
            self._execute(f"SAVEPOINT {self._savepoints[-1]}")
        elif self._savepoints and choice < 0.4:
            self._savepoints = self._savepoints[: self._random.randrange(len(self._savepoints)) + 1]
            name = self._savepoints[-1]
            if choice < 0.3:
                self._savepoints.pop()
                self._execute(f"RELEASE {name}")
            else:
                self._execute(f"ROLLBACK TO {name}")

    def _copy(self) -> None:
        with self._own.cursor().copy("COPY ledger (at, what, tag) FROM STDIN") as copy:
            for i in range(self._random.randint(1, 300)):
                copy.write_row((i, f"copied {i}", uuid4()))

    def _execute(self, statement: str) -> None:
        self._own.execute(statement.encode())


@pytest.mark.parametrize(("seed", "statements", "others"), RUNS)
def test_the_log_says_what_snapshots_show(fresh: Watched, seed: int, statements: int, others: bool) -> None:
    random, passed, compared = Random(seed), 0, 0
    while statements > 0:
        transaction = Transaction(fresh, random)
        for _ in range(random.randint(1, 15)):
            if others:
                commit_elsewhere(fresh, random)
            statements -= 1
            passed += transaction.step()
            compared += fresh.check(locks=random.random() < 0.25, others=others)
        transaction.end()
    assert passed > 0
    assert (
        compared > passed
    )  # most statements change something, and it stays until the end of the transaction


def commit_elsewhere(watched: Watched, random: Random) -> None:
    """Let another session commit a statement, unless it would have to wait."""
    with contextlib.suppress(psycopg.DatabaseError):
        watched.prober.execute(random_statement(random).encode())
