"""A client hears of its parameters what PostgreSQL itself would say, and when: drivers read times by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, bind, execute, parse, read_all

if TYPE_CHECKING:
    import socket

    from local_dsql.wire.frames import Frame
    from tests.local_dsql.proxy.cluster import Cluster

CASES: dict[str, list[str]] = {
    "set": ["SET TimeZone = 'Asia/Tokyo'", "SELECT 1", "RESET TimeZone"],
    "set to what it is": ["SET TimeZone = 'UTC'", "SET TimeZone = 'UTC'"],
    "rolled back": ["BEGIN", "SET TimeZone = 'Asia/Tokyo'", "SELECT 1", "ROLLBACK"],
    "committed": ["BEGIN", "SET TimeZone = 'Asia/Tokyo'", "COMMIT", "RESET ALL"],
    "local, committed": ["BEGIN", "SET LOCAL TimeZone = 'Asia/Tokyo'", "COMMIT"],
    "local, rolled back": ["BEGIN", "SET LOCAL TimeZone = 'Asia/Tokyo'", "ROLLBACK"],
    "failed": ["BEGIN", "SET DateStyle = 'German'", "SELECT 1 / 0", "COMMIT"],
    "failed, and set again": [
        "BEGIN",
        "SET TimeZone = 'Asia/Tokyo'",
        "SELECT 1 / 0",
        "ROLLBACK",
        "SET TimeZone = 'Asia/Tokyo'",
        "SELECT 1 / 0",
        "RESET TimeZone",
    ],
    "failed by a write, and set again": [
        "BEGIN",
        "SET TimeZone = 'Asia/Tokyo'",
        "DELETE FROM nowhere",
        "ROLLBACK",
        "SET TimeZone = 'Asia/Tokyo'",
        "RESET TimeZone",
    ],
    "two in a text": ["SET TimeZone = 'Asia/Tokyo'; SET application_name = 'a'; SELECT 1"],
    "there and back in a text": ["SET TimeZone = 'Asia/Tokyo'; SET TimeZone = 'UTC'"],
    "a text that fails": ["SET TimeZone = 'Asia/Tokyo'; SELECT 1 / 0"],
    "by a function": ["SELECT set_config('TimeZone', 'Asia/Tokyo', false)", "RESET TimeZone"],
    "by a function, failed by a read, and set again": [
        "BEGIN",
        "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
        "SELECT 1 / 0",
        "ROLLBACK",
        "SET TimeZone = 'Asia/Tokyo'",
        "RESET TimeZone",
    ],
    "by a function, in a transaction": [
        "BEGIN",
        "SELECT set_config('TimeZone', 'Asia/Tokyo', true)",
        "SELECT 1",
        "COMMIT",
    ],
}


@pytest.mark.parametrize("statements", CASES.values(), ids=CASES)
def test_a_client_hears_of_them_what_postgresql_says(
    cluster: Cluster, direct: socket.socket, statements: list[str]
) -> None:
    _compare(cluster, direct, [messages.query(sql) for sql in statements])


ALONE = {name: statements for name, statements in CASES.items() if not any(";" in sql for sql in statements)}
"""The extended protocol takes one statement at a time."""


@pytest.mark.parametrize("statements", ALONE.values(), ids=ALONE)
def test_and_in_the_extended_protocol(cluster: Cluster, direct: socket.socket, statements: list[str]) -> None:
    _compare(cluster, direct, [parse(sql) + bind() + execute() + SYNC for sql in statements])


def _compare(cluster: Cluster, direct: socket.socket, requests: list[bytes]) -> None:
    with RawClient(cluster) as client:
        client.log_in(cluster)
        for request in requests:
            client.send(request)
            direct.sendall(request)
            assert _comparable(client.read()) == _comparable(read_all(direct))


def _comparable(frames: list[Frame]) -> list[Frame]:
    """Leave out where in PostgreSQL's source an error comes from, and the order of what is reported."""
    reported = sorted(frame for frame in frames if frame[0] == BackendMessage.PARAMETER_STATUS)
    others = [
        (kind, b"" if kind == BackendMessage.ERROR_RESPONSE else raw)
        for kind, raw in frames
        if kind != BackendMessage.PARAMETER_STATUS
    ]
    return others[:-1] + reported + others[-1:]


def test_nothing_is_heard_of_being_parked(cluster: Cluster) -> None:
    with RawClient(cluster) as one, RawClient(cluster) as other:
        for client in (one, other):
            client.log_in(cluster)
        for sql in (
            "CREATE TABLE parked_settings (id int PRIMARY KEY, n int)",
            "INSERT INTO parked_settings VALUES (1, 0)",
        ):
            one.send(messages.query(sql))
            one.read()
        heard = []
        for client, sql in (
            (one, "BEGIN"),
            (one, "SET LOCAL TimeZone = 'Asia/Tokyo'"),
            (one, "UPDATE parked_settings SET n = 1"),
            (other, "BEGIN"),
            (other, "UPDATE parked_settings SET n = 2"),
            (one, "SHOW TimeZone"),
            (other, "ROLLBACK"),
            (one, "COMMIT"),
        ):
            client.send(messages.query(sql))
            heard.append([raw for kind, raw in client.read() if kind == BackendMessage.PARAMETER_STATUS])
        to, back = (messages.parameter_status("TimeZone", zone) for zone in ("Asia/Tokyo", "UTC"))
        assert heard == [[], [to], [], [], [], [], [], [back]]
