"""The engine stops at once, whatever its sessions do, and leaves no connection behind, on either event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
import uvloop

from local_dsql.engine.engine import Engine
from local_dsql.wire.backend import ConnectionLost
from tests.local_dsql.engine.laboratory import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local_dsql.engine.laboratory import Reply, Server

MOST = 3.0
SLOW = "with u as (update t set n = 1 returning n) select pg_sleep(20) from u"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
STATEMENTS = {
    "idle": (),
    "busy": (SLOW,),
    "blocked": (SLOW, "update t set n = 2"),
    "busy and large": (f"select pg_sleep(20), length('{'x' * 3_000_000}')",),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("state", STATEMENTS)
def test_the_engine_stops_at_once(server: Server, loop: str, state: str) -> None:
    async def run() -> list[Reply | BaseException]:
        await server.clean()
        engine = Engine(server.connect, server.data.path)
        await engine.start()
        clients = [Client(engine.join(await server.connect("admin"), "admin")) for _ in range(3)]
        await clients[0].ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await clients[2].ok("begin", "update t set id = 5 where id = 4")
        work = []
        for client, sql in zip(clients, STATEMENTS[state], strict=False):
            work.append(asyncio.ensure_future(client.run(sql)))
            await asyncio.sleep(0.05)
        await engine.close()
        return await asyncio.gather(*work, return_exceptions=True)

    factory: Callable[[], asyncio.AbstractEventLoop] = LOOPS[loop]
    runner = asyncio.Runner(loop_factory=factory)
    began = time.monotonic()
    ended = runner.run(run())
    runner.close()
    assert time.monotonic() - began < MOST
    assert [each for each in ended if not isinstance(each, ConnectionLost)] == []
    asyncio.run(_until_nobody_is_connected(server))


async def _until_nobody_is_connected(server: Server) -> None:
    backend = await server.connect("postgres")
    others = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    with contextlib.closing(backend):
        until = time.monotonic() + MOST
        while await backend.rows(others) != [["0"]]:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
