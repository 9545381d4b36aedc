"""The execution of a prepared read takes a shorter path through the proxy, with the same responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.wire import messages
from local_dsql.wire.message_types import FrontendMessage
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, bind, describe, execute, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

RUN = [describe(), execute(), SYNC]
CLOSE = messages.frame(FrontendMessage.CLOSE, b"Sread\0")

BEGIN, COMMIT = messages.query("BEGIN"), messages.query("COMMIT")


@pytest.fixture(scope="module")
def table(cluster: Cluster) -> Iterator[None]:
    with cluster.connect() as admin:
        admin.execute("CREATE TABLE prepared_reads (id int PRIMARY KEY, v int)")
        admin.execute("INSERT INTO prepared_reads VALUES (1, 0)")
        yield
        admin.execute("DROP TABLE prepared_reads")


@pytest.fixture
def client(cluster: Cluster, table: None) -> Iterator[RawClient]:
    with RawClient(cluster) as connected:
        connected.log_in(cluster)
        connected.send(
            parse("SELECT v FROM prepared_reads", "read"),
            parse("SELECT 1 / v FROM prepared_reads", "failing"),
            parse("UPDATE prepared_reads SET v = v", "write"),
            parse("SELECT v FROM prepared_reads FOR UPDATE", "lock"),
            SYNC,
        )
        assert connected.kinds() == "1111Z"
        yield connected


ANSWERS = [
    ("a read", [bind(name="read"), *RUN], ["2TDCZ"]),
    ("twice", [bind(name="read"), *RUN] * 2, ["2TDCZ", "2TDCZ"]),
    ("a write", [bind(name="write"), *RUN], ["2nCZ"]),
    ("a lock", [bind(name="lock"), *RUN], ["2TDCZ"]),
    ("no such name", [bind(name="missing"), *RUN], ["EZ"]),
    ("closed in between", [CLOSE, SYNC, bind(name="read"), *RUN], ["3Z", "EZ"]),
    ("a portal with a name", [bind("p", "read"), describe("p"), execute("p"), SYNC], ["2TDCZ"]),
    ("named and run as unnamed", [bind("p", "read"), *RUN], ["2EZ"]),
    ("only one row", [bind(name="read"), describe(), execute(limit=1), SYNC], ["2TDsZ"]),
    ("two binds", [bind(name="read"), bind(name="read"), *RUN], ["22TDCZ"]),
    ("a failing read", [bind(name="failing"), *RUN, bind(name="read"), *RUN], ["2TEZ", "2TDCZ"]),
    (
        "a failing read in a transaction",
        [BEGIN, bind(name="failing"), *RUN, bind(name="read"), *RUN, COMMIT],
        ["CZ", "2TEZ", "EZ", "CZ"],
    ),
    (
        "read to the end, and once more",
        [BEGIN, bind(name="read"), *RUN, execute(), SYNC, COMMIT],
        ["CZ", "2TDCZ", "CZ", "CZ"],
    ),
    ("between others", [BEGIN, bind(name="write"), *RUN, bind(name="read"), *RUN], ["CZ", "2nCZ", "2TDCZ"]),
]


@pytest.mark.parametrize(
    ("sent", "expected"), [each[1:] for each in ANSWERS], ids=[each[0] for each in ANSWERS]
)
def test_answers(client: RawClient, sent: list[bytes], expected: list[str]) -> None:
    client.send(*sent)
    assert [client.kinds() for _ in expected] == expected


def test_a_batch_in_two_packets(client: RawClient) -> None:
    """Wherever the network cuts it."""
    batch = b"".join([bind(name="read"), *RUN])
    for cut in range(1, len(batch)):
        client.send(batch[:cut])
        client.send(batch[cut:])
        assert client.kinds() == "2TDCZ", cut


def test_after_parking(cluster: Cluster, client: RawClient) -> None:
    """A transaction that made way for another one comes back before it reads on."""
    client.send(BEGIN, bind(name="write"), *RUN)
    assert [client.kinds(), client.kinds()] == ["CZ", "2nCZ"]
    with cluster.connect() as other:
        other.execute("UPDATE prepared_reads SET v = v")
    client.send(bind(name="read"), *RUN)
    assert client.kinds() == "2TDCZ"
    client.send(COMMIT)
    assert b"40001" in client.read()[0][1]


@pytest.mark.parametrize("limit", [None, 1], ids=["bound", "begun"])
@pytest.mark.parametrize("suspended", [False, True], ids=["active", "suspended"])
def test_a_portal_that_exists_is_not_bound_again(
    cluster: Cluster, client: RawClient, limit: int | None, suspended: bool
) -> None:
    client.send(parse("SELECT generate_series(1, 3)", "rows"), SYNC, BEGIN, bind(name="write"), *RUN)
    assert [client.kinds() for _ in range(3)] == ["1Z", "CZ", "2nCZ"]
    client.send(bind("p", "rows"), *(() if limit is None else (execute("p", limit),)), SYNC)
    assert client.kinds() == ("2Z" if limit is None else "2DsZ")
    if suspended:
        with cluster.connect() as other:
            other.execute("UPDATE prepared_reads SET v = v + 1 WHERE id = 2")
            other.execute("BEGIN")
            other.execute("UPDATE prepared_reads SET v = v")
            other.execute("ROLLBACK")
    client.send(bind("p", "rows"), SYNC)
    (_, error), *_ = client.read()
    assert b"C42P03\0" in error
    client.send(COMMIT)
    assert client.kinds() == "CZ"
