"""A statement whose transaction is suspended while it waits for the backend's lock runs after its resumption."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from local_dsql.engine.suspend import suspend
from local_dsql.proxy.dispatcher import Dispatcher
from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import BackendMessage
from tests.local_dsql.proxy.raw_client import RawClient

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster

READ = "SELECT count(*) FROM overtaken"
WAYS = {
    "a read": messages.query(READ),
    "a read of several statements": messages.query(f"SELECT; {READ}"),
    "a preparation": messages.parse(b"SELECT", b"read") + messages.SYNC + messages.query(READ),
}


@pytest.mark.parametrize("sent", WAYS.values(), ids=WAYS)
def test_own_writes_are_read_after_a_suspension(cluster: Cluster, sent: bytes) -> None:
    with RawClient(cluster) as client:
        (key,) = (raw for kind, raw in client.log_in(cluster) if kind == BackendMessage.BACKEND_KEY_DATA)
        for sql in (
            "CREATE TABLE IF NOT EXISTS overtaken (n int)",
            "BEGIN",
            "INSERT INTO overtaken VALUES (1)",
        ):
            client.send(messages.query(sql))
            assert BackendMessage.COMMAND_COMPLETE in [kind for kind, _ in client.read()]
        cluster.run(_overtake(cluster, int.from_bytes(key[5:9], "big"), sent))
        rows: list[list[str | None]] = []
        while ["1"] not in rows:
            rows += [messages.read_row(raw) for kind, raw in client.read() if kind == BackendMessage.DATA_ROW]


async def _overtake(cluster: Cluster, pid: int, sent: bytes) -> None:
    """Let the messages of the session arrive while its transaction is being suspended."""
    session = cluster.proxy.engine.services.sessions[pid]
    connections = cluster.proxy._endpoints["us-east-1"].connections
    (dispatcher,) = (
        each._handler
        for each in connections
        if isinstance(each._handler, Dispatcher) and each._handler._engine is session
    )
    held = session.try_exclusive()
    assert held is not None
    suspending = asyncio.ensure_future(suspend(held))
    await asyncio.sleep(0)
    dispatcher.receive(FrameReader().feed(sent))
    await asyncio.sleep(0)
    await suspending
    assert session.transaction is not None
    assert session.transaction.suspended is not None
    held.release()
