"""COPY FROM STDIN keeps a bounded amount of data."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING, cast

import psycopg
import pytest

from local_dsql.proxy.copy_in import receive_rows
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, FrontendMessage
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, bind, execute, parse

if TYPE_CHECKING:
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.message_queue import MessageQueue
    from local_dsql.wire.frames import Frame
    from tests.local_dsql.proxy.cluster import Cluster

MIB = 1024 * 1024
COPY = "COPY copied FROM STDIN"
DONE = messages.frame(FrontendMessage.COPY_DONE)


class _Rows:
    """A queue of a megabyte in each message."""

    def __init__(self, number: int) -> None:
        self._left = number

    async def next_frame(self) -> Frame:
        self._left -= 1
        if self._left < 0:
            return FrontendMessage.COPY_DONE, DONE
        return FrontendMessage.COPY_DATA, messages.frame(FrontendMessage.COPY_DATA, bytes(MIB))


@pytest.mark.parametrize(("number", "kept"), [(3, True), (200, False)])
def test_memory_is_bounded(number: int, kept: bool) -> None:
    """300 MB of rows were kept in memory."""
    queue = cast("MessageQueue", _Rows(number))
    client = cast("ClientConnection", None)
    tracemalloc.start()
    try:
        rows = asyncio.run(receive_rows(client, queue, 8 * MIB))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (rows is not None) == kept
    assert peak < 12 * MIB


def test_too_much_data_is_refused(cluster: Cluster) -> None:
    """It compresses to almost nothing, but is not kept so long (divergence copy-runs-at-its-end)."""
    line = "x" * MIB + "\n"
    with cluster.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS copied (v text)")
        with pytest.raises(psycopg.Error, match="transaction size limit 10mb exceeded") as raised:
            with connection.cursor().copy(COPY) as copy:
                for _ in range(41):
                    copy.write(line)
        assert raised.value.sqlstate == "54000"
        with connection.cursor().copy(COPY) as copy:
            copy.write("kept\n")
        assert connection.execute("SELECT v FROM copied").fetchall() == [("kept",)]
        connection.execute("DELETE FROM copied")


def test_too_much_data_in_the_extended_protocol(cluster: Cluster) -> None:
    with cluster.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS copied (v text)")
    data = messages.frame(FrontendMessage.COPY_DATA, b"x" * MIB + b"\n")
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(parse(COPY), bind(), execute(), SYNC)
        client.read(BackendMessage.COPY_IN_RESPONSE)
        for _ in range(41):
            client.send(data)
        client.send(DONE, SYNC)
        frames = client.read(BackendMessage.READY_FOR_QUERY)
        assert [kind for kind, _ in frames] == [
            BackendMessage.ERROR_RESPONSE,
            BackendMessage.READY_FOR_QUERY,
        ]
        assert messages.read_fields(frames[0][1])["C"] == "54000"
        client.send(messages.query("SELECT 1"))
        assert BackendMessage.DATA_ROW in dict(client.read(BackendMessage.READY_FOR_QUERY))
