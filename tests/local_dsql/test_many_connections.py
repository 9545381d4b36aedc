"""150 concurrent clients over TLS."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from local_dsql import LocalCluster

CLIENTS = 150


def test_150_connections_at_once(shared_cluster: LocalCluster) -> None:
    """All connect first; then each inserts its own row and increments a shared one until it succeeds."""
    dsn = shared_cluster.dsn()
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE TABLE crowd (id int PRIMARY KEY, v int)")
        admin.execute("INSERT INTO crowd SELECT -g, 0 FROM generate_series(1, 50) g")
    everybody = threading.Barrier(CLIENTS, timeout=60)

    def work(number: int) -> int:
        conflicts = 0
        with psycopg.connect(dsn) as connection:
            assert connection.pgconn.ssl_in_use
            everybody.wait()
            while True:
                try:
                    with connection.transaction():
                        connection.execute("INSERT INTO crowd VALUES (%s, 1)", (number,))
                        connection.execute("UPDATE crowd SET v = v + 1 WHERE id = %s", (-1 - number % 50,))
                        connection.execute("SELECT sum(v) FROM crowd")
                    break
                except psycopg.errors.SerializationFailure:
                    conflicts += 1
            everybody.wait()
        return conflicts

    with ThreadPoolExecutor(CLIENTS) as pool:
        conflicts = sum(pool.map(work, range(CLIENTS)))
    with psycopg.connect(dsn, autocommit=True) as admin:
        row = admin.execute("SELECT count(*), sum(v), sum(v) FILTER (WHERE id < 0) FROM crowd").fetchone()
        assert row == (CLIENTS + 50, 2 * CLIENTS, CLIENTS)
        admin.execute("DROP TABLE crowd")
    assert conflicts
