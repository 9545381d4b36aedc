"""Two Regions with one database: conflicts across Regions, a Region outage, commit latency."""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.errors import SerializationFailure

from blocks_runtime import signing
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg.rows import TupleRow

    Connection = psycopg.Connection[TupleRow]

EAST, WEST = "us-east-1", "us-east-2"


@pytest.fixture
def cluster(shared_cluster: LocalCluster) -> LocalCluster:
    """A cluster with both Regions available, and one account with balance 0."""
    shared_cluster.reset()
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, n int NOT NULL)")
        connection.execute("INSERT INTO accounts VALUES (1, 0), (2, 0)")
    return shared_cluster


@pytest.fixture
def pair(cluster: LocalCluster) -> Iterator[tuple[Connection, Connection]]:
    """A connection to each Region."""
    with ExitStack() as stack:
        east, west = (stack.enter_context(psycopg.connect(cluster.dsn(region))) for region in (EAST, WEST))
        yield east, west


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("UPDATE accounts SET n = 1 WHERE id = 1", "UPDATE accounts SET n = 2 WHERE id = 1"),
        ("DELETE FROM accounts WHERE id = 1", "UPDATE accounts SET n = 2 WHERE id = 1"),
        ("INSERT INTO accounts VALUES (3, 1)", "INSERT INTO accounts VALUES (3, 2)"),
        ("SELECT n FROM accounts WHERE id = 1 FOR UPDATE", "UPDATE accounts SET n = 2 WHERE id = 1"),
    ],
    ids=["update", "delete", "insert", "lock"],
)
@pytest.mark.parametrize("first", [0, 1], ids=["east commits first", "west commits first"])
def test_first_committer_wins_in_any_region(
    cluster: LocalCluster, pair: tuple[Connection, Connection], mine: str, theirs: str, first: int
) -> None:
    winner, loser = pair[first], pair[1 - first]
    loser.execute("UPDATE accounts SET n = n + 10 WHERE id = 2")
    loser.execute(mine.encode())
    winner.execute(theirs.encode())
    winner.commit()
    with pytest.raises(SerializationFailure, match="OC000"):
        loser.commit()
    for connection in pair:
        assert connection.execute("SELECT n FROM accounts WHERE id = 2").fetchone() == (0,)
    (conflict,) = cluster.conflicts()
    regions = (EAST, WEST)
    assert conflict.loser.partition("#")[0] == f"admin@{regions[1 - first]}"
    assert [each.partition("#")[0] for each in conflict.winners] == [f"admin@{regions[first]}"]


def test_a_commit_is_read_in_the_other_region_at_once(pair: tuple[Connection, Connection]) -> None:
    east, west = pair
    for number in range(20):
        east.execute("UPDATE accounts SET n = %s WHERE id = 1", (number,))
        east.commit()
        assert west.execute("SELECT n FROM accounts WHERE id = 1").fetchone() == (number,)
        west.rollback()


def test_write_skew_is_allowed_across_regions(pair: tuple[Connection, Connection]) -> None:
    east, west = pair
    for connection, id in ((east, 1), (west, 2)):
        connection.execute("SELECT sum(n) FROM accounts")
        connection.execute("UPDATE accounts SET n = 1 WHERE id = %s", (id,))
    east.commit()
    west.commit()
    assert east.execute("SELECT sum(n) FROM accounts").fetchone() == (2,)


def test_no_update_is_lost_between_regions(cluster: LocalCluster) -> None:
    def add(region: str) -> None:
        with psycopg.connect(cluster.dsn(region)) as connection:
            done = 0
            while done < 20:
                row = connection.execute("SELECT n FROM accounts WHERE id = 1").fetchone()
                assert row is not None
                # The UPDATE never fails, within the bound of `conflict-at-statement`.
                connection.execute("UPDATE accounts SET n = %s WHERE id = 1", (row[0] + 1,))
                try:
                    connection.commit()
                    done += 1
                except SerializationFailure:
                    connection.rollback()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, (EAST, WEST, EAST, WEST)))
    with psycopg.connect(cluster.dsn()) as connection:
        assert connection.execute("SELECT n FROM accounts WHERE id = 1").fetchone() == (80,)


def test_a_token_is_for_one_region(cluster: LocalCluster) -> None:
    token = signing.token("localhost", WEST, "admin", cluster.admin_credentials)
    with pytest.raises(psycopg.OperationalError, match="access denied"):
        psycopg.connect(cluster.dsn(EAST), password=token)
    psycopg.connect(cluster.dsn(WEST), password=token).close()


# a Region that fails


@pytest.fixture
def failing(cluster: LocalCluster) -> Iterator[LocalCluster]:
    """The cluster; its Regions are started again after the test."""
    yield cluster
    for region in cluster.start().status.stopped_regions:
        cluster.start_region(region)


def test_a_failed_region_ends_only_its_own_transactions(failing: LocalCluster) -> None:
    with psycopg.connect(failing.dsn(EAST)) as east, psycopg.connect(failing.dsn(WEST)) as west:
        west.execute("INSERT INTO accounts VALUES (3, 3)")
        west.commit()
        west.execute("UPDATE accounts SET n = 99")
        east.execute("UPDATE accounts SET n = n + 1 WHERE id = 1")
        failing.stop_region(WEST)
        with pytest.raises(psycopg.OperationalError):
            west.commit()
        assert west.broken
        east.commit()
        rows = east.execute("SELECT id, n FROM accounts ORDER BY id").fetchall()
        assert rows == [(1, 1), (2, 0), (3, 3)]


def test_a_failed_region_refuses_and_comes_back_on_its_port(failing: LocalCluster) -> None:
    before = failing.endpoint(WEST)
    failing.stop_region(WEST)
    failing.stop_region(WEST)
    assert failing.start().status.stopped_regions == (WEST,)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(failing.dsn(WEST))
    psycopg.connect(failing.dsn(EAST)).close()
    failing.start_region(WEST)
    failing.start_region(WEST)
    assert failing.start().status.stopped_regions == ()
    assert failing.endpoint(WEST) == before
    psycopg.connect(failing.dsn(WEST)).close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a stopped Region gives up its port")
def test_no_program_takes_the_port_of_a_stopped_region(failing: LocalCluster) -> None:
    port = failing.status.ports[WEST]
    failing.stop_region(WEST)
    with pytest.raises(OSError, match="Address already in use"):
        socket.create_server(("127.0.0.1", port))
    failing.reset()
    with pytest.raises(OSError, match="Address already in use"):
        socket.create_server(("127.0.0.1", port))
    failing.start_region(WEST)
    psycopg.connect(failing.dsn(WEST)).close()


@pytest.mark.parametrize("call", ["stop_region", "start_region"])
def test_unknown_regions_are_refused(cluster: LocalCluster, call: str) -> None:
    with pytest.raises(
        ValueError, match="eu-west-1 is not a Region of this cluster; it has us-east-1, us-east-2"
    ):
        getattr(cluster, call)("eu-west-1")


# commit latency

LATENCY = 0.15


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster with commit latency."""
    folder: Path = tmp_path_factory.mktemp("slow")
    with LocalCluster(folder, regions=[EAST, WEST], commit_latency=LATENCY) as cluster:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, n int NOT NULL)")
            connection.execute("INSERT INTO accounts VALUES (1, 0), (2, 0)")
        yield cluster


def seconds(connection: Connection, *statements: str) -> float:
    start = time.monotonic()
    for statement in statements:
        connection.execute(statement.encode())
    return time.monotonic() - start


@pytest.mark.parametrize("region", [EAST, WEST])
def test_only_commits_that_change_something_take_longer(slow: LocalCluster, region: str) -> None:
    with psycopg.connect(slow.dsn(region), autocommit=True) as connection:
        assert seconds(connection, "UPDATE accounts SET n = n + 1 WHERE id = 1") >= LATENCY
        connection.execute("BEGIN")
        many = ["UPDATE accounts SET n = n + 1 WHERE id = 2"] * 10
        assert min(seconds(connection, each) for each in many) < LATENCY
        assert seconds(connection, "COMMIT") >= LATENCY
        reads = ["SELECT n FROM accounts"] * 10
        assert min(seconds(connection, each) for each in reads) < LATENCY
        empty = [seconds(connection, "BEGIN", "SELECT 1", "COMMIT") for _ in range(10)]
        assert min(empty) < LATENCY


def test_commits_on_their_way_do_not_queue_up(slow: LocalCluster) -> None:
    def insert(id: int) -> None:
        with psycopg.connect(slow.dsn(EAST if id % 2 else WEST), autocommit=True) as connection:
            connection.execute("INSERT INTO accounts VALUES (%s, 0)", (id,))

    start = time.monotonic()
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(insert, range(100, 140)))
    assert time.monotonic() - start < 40 * LATENCY / 2


def test_a_slow_commit_still_wins_or_loses(slow: LocalCluster) -> None:
    with psycopg.connect(slow.dsn(EAST)) as east, psycopg.connect(slow.dsn(WEST)) as west:
        for connection in (east, west):
            connection.execute("UPDATE accounts SET n = n + 1 WHERE id = 1")
        east.commit()
        with pytest.raises(SerializationFailure, match="OC000"):
            west.commit()
