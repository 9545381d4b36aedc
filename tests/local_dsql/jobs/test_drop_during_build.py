"""Tables that are dropped during an index build."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from local_dsql import LocalCluster

ROUNDS = 40


def execute(connection: psycopg.Connection, statement: str) -> list[str]:
    """Run a statement, with retries after OC001 from an ended job; other errors fail the test."""
    while True:
        try:
            cursor = connection.execute(statement)
        except psycopg.errors.SerializationFailure:
            continue
        return [str(value) for (value,) in cursor.fetchall()] if cursor.description else []


def test_drop_during_an_index_build(shared_cluster: LocalCluster) -> None:
    jobs: list[str] = []
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        for number in range(ROUNDS):
            execute(connection, "CREATE TABLE dropped_meanwhile (id uuid PRIMARY KEY, v text)")
            jobs += execute(connection, "CREATE INDEX ASYNC ON dropped_meanwhile (v)")
            time.sleep(number % 6 / 1000)
            execute(connection, "DROP TABLE dropped_meanwhile")
        assert len(jobs) == ROUNDS
        for job in jobs:
            assert connection.execute("CALL sys.wait_for_job(%s)", [job]).fetchone() == (True,)
