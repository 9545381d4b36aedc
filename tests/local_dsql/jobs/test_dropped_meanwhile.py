"""Tables that are dropped while their index is being built."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from local_dsql import LocalCluster

ROUNDS = 40


def execute(connection: psycopg.Connection, statement: str) -> list[str]:
    """Run it, again where a job that ended has changed the catalog; any other error is one too many."""
    while True:
        try:
            cursor = connection.execute(statement)
        except psycopg.errors.SerializationFailure:
            continue
        return [str(value) for (value,) in cursor.fetchall()] if cursor.description else []


def test_drop_and_build_do_not_disturb_each_other(shared_cluster: LocalCluster) -> None:
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
