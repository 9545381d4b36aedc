"""The slot that keeps the log: CHECKPOINTs leave what was not read, and take it once it is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.write_ahead_log import retention
from tests.local_dsql.write_ahead_log.servers import DROP_SLOT, MIB, rows, running
from tests.local_dsql.write_ahead_log.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.local_dsql.write_ahead_log.servers import Server

FILL = "SELECT count(pg_logical_emit_message(true, 'x', repeat('m', 100000))) FROM generate_series(1, 100)"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A server that keeps as few files as it can."""
    with running(tmp_path, settings={"min_wal_size": "2MB", "max_wal_size": "2MB"}) as server:
        server.connect().execute("CREATE TABLE t (i int)")
        yield server


def files(server: Server) -> int:
    return len(list((server.data.path / "pg_wal").glob("00000001*")))


def fill(watched: Watched) -> None:
    """Write 10 MB of log, with CHECKPOINTs in between."""
    for _ in range(2):
        watched.prober.execute(FILL)
        watched.prober.execute("CHECKPOINT")
    watched.prober.execute("CHECKPOINT")


def test_unread_log_is_kept_and_given_back(small: Server) -> None:
    watched = Watched(small)
    holder = small.connect()
    holder.execute(retention.HOLD.encode())
    before = files(small)
    watched.begin()
    watched.own.execute("INSERT INTO t VALUES (1)")
    for _ in range(3):
        fill(watched)
    assert files(small) * MIB > 40 * MIB
    (table,) = watched.changes().values()
    assert len(table.inserts) == 1
    watched.end()
    holder.execute(retention.release(watched.reader.position).encode())
    fill(watched)
    watched.read()
    holder.execute(retention.release(watched.reader.position).encode())
    watched.prober.execute("CHECKPOINT")
    assert files(small) <= before + 4
    watched.close()


def test_the_slot_goes_with_its_connection(small: Server) -> None:
    holder = small.connect()
    holder.execute(retention.HOLD.encode())
    control = small.connect()
    assert rows(control, "SELECT slot_name, temporary FROM pg_replication_slots") == [(retention.SLOT, True)]
    holder.close()
    control.execute("SELECT pg_sleep(0.2)")
    assert rows(control, "SELECT slot_name FROM pg_replication_slots") == []


def test_the_holder_needs_replication_and_no_more(small: Server) -> None:
    admin = small.connect()
    admin.execute("CREATE ROLE holder LOGIN REPLICATION")
    holder = small.connect(user="holder")
    holder.execute(retention.HOLD.encode())
    ((position,),) = rows(holder, "SELECT restart_lsn::text FROM pg_replication_slots")
    assert position is not None
    holder.execute(DROP_SLOT.encode())
    assert rows(admin, "SELECT slot_name FROM pg_replication_slots") == []
