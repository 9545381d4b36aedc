"""A statement whose transaction is parked while it waits for its turn runs only once that has come back."""

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
from tests.local_dsql.proxy.raw_client import RawClient

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster

READ = "SELECT count(*) FROM overtaken"


@pytest.mark.parametrize("way", ["read", "forward"])
def test_own_writes_are_read_after_parking(cluster: Cluster, way: str) -> None:
    with RawClient(cluster) as client:
        (key,) = (raw for kind, raw in client.log_in(cluster) if kind == b"K")
        for sql in (
            "CREATE TABLE IF NOT EXISTS overtaken (n int)",
            "BEGIN",
            "INSERT INTO overtaken VALUES (1)",
        ):
            client.send(messages.query(sql))
            assert b"C" in [kind for kind, _ in client.read(b"Z")]
        cluster.run(_overtake(cluster, int.from_bytes(key[5:9], "big"), way))
        rows = [messages.read_row(raw) for kind, raw in client.read(b"C") if kind == b"D"]
        assert rows == [["1"]]


async def _overtake(cluster: Cluster, pid: int, way: str) -> None:
    """Let somebody who parks the transaction stand in line before a read of its own."""
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
