"""A statement whose transaction is suspended while it waits for the backend's lock runs after its resumption."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dsql_dialect import parse
from local_dsql.occ.parking import park
from local_dsql.proxy.engine_session import EngineSession
from local_dsql.proxy.passthrough import Passthrough
from local_dsql.proxy.session import ClientSession
from local_dsql.proxy.statement_execution import simple_execution
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from tests.local_dsql.proxy.raw_client import RawClient

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster

READ = "SELECT count(*) FROM overtaken"


@pytest.mark.parametrize("way", ["read", "forward"])
def test_own_writes_are_read_after_parking(cluster: Cluster, way: str) -> None:
    with RawClient(cluster) as client:
        (key,) = (raw for kind, raw in client.log_in(cluster) if kind == BackendMessage.BACKEND_KEY_DATA)
        for sql in (
            "CREATE TABLE IF NOT EXISTS overtaken (n int)",
            "BEGIN",
            "INSERT INTO overtaken VALUES (1)",
        ):
            client.send(messages.query(sql))
            assert BackendMessage.COMMAND_COMPLETE in [kind for kind, _ in client.read()]
        cluster.run(_overtake(cluster, int.from_bytes(key[5:9], "big"), way))
        rows = [
            messages.read_row(raw)
            for kind, raw in client.read(BackendMessage.COMMAND_COMPLETE)
            if kind == BackendMessage.DATA_ROW
        ]
        assert rows == [["1"]]


async def _overtake(cluster: Cluster, pid: int, way: str) -> None:
    """Queue a suspension of the transaction for the lock before a read of the transaction."""
    engine = cluster.proxy.engine
    session = engine.find(pid)
    assert isinstance(session, ClientSession)
    statement = parse(READ, cluster.proxy.profile).statements[0]
    passthrough = Passthrough(session, EngineSession(engine, session))
    async with engine.mutex:
        await session.backend.lock.acquire()
        parking = asyncio.ensure_future(park(engine, session))
        await asyncio.sleep(0)
        reading = asyncio.ensure_future(getattr(passthrough, way)(simple_execution(statement)))
        await asyncio.sleep(0)
        session.backend.lock.release()
        await parking
    assert await reading
