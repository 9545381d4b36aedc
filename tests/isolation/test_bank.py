"""A bank whose clients are killed, cut off and cancelled: no money made or lost, nobody hangs, nothing is left over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.postgres import PORT
from tests.isolation.bank import ACCOUNTS, LONGEST, START, Client, run

if TYPE_CHECKING:
    from local_dsql import LocalCluster


def backends(cluster: LocalCluster) -> int:
    """Count the connections of PostgreSQL behind the proxy, this one included."""
    sockets = str(cluster.folder.sockets.resolve())
    with psycopg.connect(host=sockets, port=PORT, user="postgres", dbname="postgres") as direct:
        rows = direct.execute("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return len(rows.fetchall())


def audit(cluster: LocalCluster, seconds: float, seed: int) -> None:
    """Run the bank and look at the books."""
    cluster.reset()
    with psycopg.connect(cluster.dsn(), autocommit=True) as auditor:
        idle = backends(cluster)
        books = run(cluster, seconds, seed)
        # Nothing is held any more: every row can be written at once.
        began = time.monotonic()
        assert auditor.execute("UPDATE account SET balance = balance + 0").rowcount == ACCOUNTS
        assert auditor.execute("UPDATE entry SET amount = amount + 0").rowcount >= 0
        assert time.monotonic() - began < LONGEST
        entries = auditor.execute("SELECT key::text, source, target, amount FROM entry").fetchall()
        balances: dict[int, int] = dict(auditor.execute("SELECT id, balance FROM account").fetchall())
        deadline = time.monotonic() + LONGEST
        while backends(cluster) > idle and time.monotonic() < deadline:
            time.sleep(0.02)
        assert backends(cluster) <= idle
    assert books.wrong == []
    assert books.slowest < LONGEST
    keys = {entry[0] for entry in entries}
    assert books.committed <= keys <= books.committed | books.unknown
    expected = dict.fromkeys(range(1, ACCOUNTS + 1), START)
    for _, source, target, amount in entries:
        expected[source] -= amount
        expected[target] += amount
    assert balances == expected
    # A run in which nothing happened proves nothing.
    accidents = (Client.hang_up, Client.cut_in_statement, Client.cut_in_commit, Client.fail, Client.cancel)
    assert all(books.seen[accident.__name__] for accident in accidents), books.seen
    assert books.seen["40001"]
    assert books.committed
    assert books.unknown


def test_books_are_right_whoever_dies(cluster: LocalCluster) -> None:
    """As much as fits into a test run."""
    audit(cluster, seconds=4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
def test_books_are_right_for_long(cluster: LocalCluster, seed: int) -> None:
    """A minute of accidents."""
    audit(cluster, seconds=20, seed=seed)
