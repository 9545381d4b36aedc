"""Bank workload with killed, disconnected and cancelled clients: constant total, no hanging client, no leaks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.postgres import PORT
from tests.isolation.bank import ACCOUNTS, LONGEST, Client, compare, run

if TYPE_CHECKING:
    from local_dsql import LocalCluster


def backends(cluster: LocalCluster) -> int:
    """Count the backends of PostgreSQL behind the proxy, including this one."""
    sockets = str(cluster.folder.sockets.resolve())
    with psycopg.connect(host=sockets, port=PORT, user="postgres", dbname="postgres") as direct:
        rows = direct.execute("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return len(rows.fetchall())


def audit(cluster: LocalCluster, seconds: float, seed: int) -> None:
    """Run the workload and check the records."""
    cluster.reset()
    with psycopg.connect(cluster.dsn(), autocommit=True) as auditor:
        idle = backends(cluster)
        records = run(cluster, seconds, seed)
        # No lock is held: every row can be updated at once.
        began = time.monotonic()
        assert auditor.execute("UPDATE account SET balance = balance + 0").rowcount == ACCOUNTS
        assert auditor.execute("UPDATE entry SET amount = amount + 0").rowcount >= 0
        assert time.monotonic() - began < LONGEST
        books = compare(auditor, records)
        deadline = time.monotonic() + LONGEST
        while backends(cluster) > idle and time.monotonic() < deadline:
            time.sleep(0.02)
        assert backends(cluster) <= idle
    assert books.wrong == []
    assert books.lost == 0
    assert books.entries
    assert records.slowest < LONGEST
    # A run without failures proves nothing.
    accidents = (Client.hang_up, Client.cut_in_statement, Client.cut_in_commit, Client.fail, Client.cancel)
    assert all(records.seen[accident.__name__] for accident in accidents), records.seen
    assert records.seen["40001"]
    assert records.committed
    assert records.unknown


def test_the_total_is_constant_with_failing_clients(cluster: LocalCluster) -> None:
    """The short run."""
    audit(cluster, seconds=4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
def test_the_total_is_constant_for_a_minute(cluster: LocalCluster, seed: int) -> None:
    """A minute of failures."""
    audit(cluster, seconds=20, seed=seed)
