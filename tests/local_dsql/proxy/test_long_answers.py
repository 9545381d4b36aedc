"""Long responses of any kind reach the client byte by byte, and the session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.wire import messages
from local_dsql.wire.end_finder import EndFinder
from local_dsql.wire.message_types import FrontendMessage
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, describe, execute, parse, read_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

MANY = "SELECT n, 'text ' || n, n % 2 = 0, NULL::int FROM generate_series(1, 3000) AS n"
TOO_MANY = "SELECT 1 / (2900 - n), repeat('x', 30) FROM generate_series(1, 3000) AS n"
BYTES = "SELECT pg_catalog.decode(repeat('5a000000054943000000', 50), 'hex') FROM generate_series(1, 300)"
"""Values with what looks like ReadyForQuery in them."""

INSERT = f"INSERT INTO kept (n, t) SELECT n, 'text ' || n FROM ({MANY}) AS many (n, t, b, i)"


def bound(*formats: int) -> bytes:
    """Return a Bind with result formats."""
    codes = b"".join(code.to_bytes(2, "big") for code in formats)
    return messages.frame(FrontendMessage.BIND, b"\0\0\0\0\0\0" + len(formats).to_bytes(2, "big") + codes)


BEGIN, ROLLBACK = messages.query("BEGIN"), messages.query("ROLLBACK")
RUN = describe() + execute() + SYNC

REQUESTS: dict[str, list[bytes]] = {
    "simple": [messages.query(MANY)],
    "text": [parse(MANY) + bound() + RUN],
    "binary": [parse(MANY) + bound(1) + RUN],
    "bytea": [parse(BYTES) + bound(1) + RUN],
    "in a transaction": [BEGIN, parse(BYTES) + bound(1) + RUN, messages.query(MANY), ROLLBACK],
    "an error": [messages.query(TOO_MANY)],
    "an error, in binary": [parse(TOO_MANY) + bound(1) + RUN],
    "an error in a transaction": [BEGIN, messages.query(TOO_MANY), ROLLBACK],
    "some of the rows": [BEGIN, parse(MANY) + bound(1) + execute(limit=2000) + SYNC, ROLLBACK],
    "two answers": [messages.query(f"{MANY}; SELECT 1")],
    "copy": [messages.query(f"COPY ({MANY}) TO STDOUT")],
    "one after the other": [parse(MANY) + bound(1) + RUN] * 3,
    "held until its commit": [messages.query(f"INSERT INTO kept VALUES (0); {MANY}")],
    "returning": [messages.query(f"{INSERT} RETURNING *")],
    "returning, in binary": [parse(f"{INSERT} RETURNING *") + bound(1) + RUN],
    "returning, in a transaction": [BEGIN, parse(f"{INSERT} RETURNING *") + bound(1) + RUN, ROLLBACK],
    "returning an error": [messages.query(f"{INSERT} RETURNING 1 / (2900 - n), repeat('x', 30)")],
    "returning an error, in a transaction": [
        BEGIN,
        parse(f"{INSERT} RETURNING 1 / (2900 - n), repeat('x', 30)") + bound(1) + RUN,
        ROLLBACK,
    ],
    "returning some of the rows": [
        BEGIN,
        parse(f"{INSERT} RETURNING *") + bound(1) + execute(limit=2000) + SYNC,
        ROLLBACK,
    ],
    "returning, with a parameter": [
        BEGIN,
        messages.query(
            f"{INSERT} RETURNING n, repeat('x', 30), set_config('application_name', 'a' || n, true)"
        ),
        ROLLBACK,
    ],
}


@pytest.fixture(scope="module", autouse=True)
def _kept(cluster: Cluster) -> None:
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(messages.query("CREATE TABLE kept (n int, t text)"))
        client.read()


@pytest.fixture(params=["quiet", "while the catalog is altered"])
def background(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """Background activity: reads take another path while a change of the catalog is not committed."""
    with RawClient(cluster) as other:
        other.log_in(cluster)
        if request.param != "quiet":
            other.send(BEGIN, messages.query("CREATE TABLE other_kept (n int)"))
            assert [other.read()[-1][1] for _ in range(2)] == [messages.READY[messages.IN_TRANSACTION]] * 2
        yield


@pytest.mark.usefixtures("background")
@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
def test_the_client_hears_what_postgresql_said(
    cluster: Cluster, direct: socket.socket, requests: list[bytes]
) -> None:
    with RawClient(cluster) as client:
        client.log_in(cluster)
        for request in requests:
            client.send(request)
            direct.sendall(request)
            assert client.read() == read_all(direct)


@pytest.mark.parametrize(
    ("before", "status"),
    [("", messages.IDLE), ("BEGIN", messages.IN_TRANSACTION), ("BEGIN; SELECT 1 / 0", messages.FAILED)],
    ids=["I", "T", "E"],
)
def test_a_probe_is_answered_in_every_state_and_leaves_nothing(
    direct: socket.socket, before: str, status: bytes
) -> None:
    finder = EndFinder()
    finder.begin(messages.query(MANY))
    finder.feed(messages.data_row(["x" * 1000]) * 100)
    direct.sendall(messages.query(before))
    read_all(direct)
    direct.sendall(finder.probe)
    assert finder.feed(b"".join(raw for _, raw in read_all(direct))) == b""
    assert finder.status == status
    direct.sendall(messages.query("ROLLBACK"))
    read_all(direct)
    direct.sendall(messages.query("SELECT count(*) FROM pg_catalog.pg_prepared_statements"))
    assert messages.read_row(read_all(direct)[1][1]) == ["0"]


def test_a_client_may_send_on_before_the_end(cluster: Cluster) -> None:
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(*[parse(BYTES) + bound(1) + RUN] * 4, messages.query("SELECT 1"))
        assert [len(client.read()) for _ in range(5)] == [305, 305, 305, 305, 4]
