"""Changes that others have committed since a snapshot lead from what the snapshot shows to what is there now."""

from __future__ import annotations

import contextlib
import threading
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.write_ahead_log import Place, Snapshot, TableChanges, net_changes
from tests.local_dsql.write_ahead_log.servers import rows
from tests.local_dsql.write_ahead_log.statements import random_statement
from tests.local_dsql.write_ahead_log.watched import TABLES, place

if TYPE_CHECKING:
    from tests.local_dsql.write_ahead_log.servers import Server
    from tests.local_dsql.write_ahead_log.watched import Watched

RUNS = [pytest.param(150, id="short"), pytest.param(2500, id="long", marks=pytest.mark.slow)]


def places(connection: psycopg.Connection, table: str) -> set[Place]:
    return {place(ctid) for (ctid,) in rows(connection, f"SELECT ctid::text FROM ONLY {table}")}


def commit_random_transactions(server: Server, seed: int, statements: int) -> None:
    """Run transactions until so many statements are done; those that fail or cannot get a lock are rolled back."""
    random = Random(seed)
    with server.connect("fresh") as connection:
        connection.execute("SET lock_timeout = '20ms'; SET deadlock_timeout = '10ms'")
        while statements > 0:
            with contextlib.suppress(psycopg.DatabaseError), connection.transaction():
                for _ in range(random.randint(1, 6)):
                    statements -= 1
                    connection.execute(random_statement(random).encode())


@pytest.mark.parametrize("statements", RUNS)
def test_committed_changes_lead_from_a_snapshot_to_now(
    server: Server, fresh: Watched, statements: int
) -> None:
    fresh.observer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    ((text,),) = rows(fresh.observer, "SELECT pg_current_snapshot()::text")
    writers = [
        threading.Thread(target=commit_random_transactions, args=(server, seed, statements))
        for seed in range(3)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        fresh.read()
    for writer in writers:
        writer.join()
    fresh.read()
    committed = fresh.reader.committed(Snapshot.parse(text))
    assert len(committed) > 20
    operations = sorted((o for one in committed for o in one.operations), key=lambda o: o.lsn)
    changes = net_changes(operations)
    for table, file in rows(fresh.control, TABLES):
        before, now = places(fresh.observer, table), places(fresh.control, table)
        seen = changes.get(file, TableChanges())
        assert set(seen.made) == now - before, table
        assert seen.deletes | seen.updates.keys() == before - now, table


def test_a_snapshot_shows_what_was_committed_before_it(fresh: Watched) -> None:
    early, late = fresh.observer, fresh.prober
    texts = []
    for session in (early, late):
        fresh.own.execute("UPDATE counted SET v = 0 WHERE id = 1")
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        texts += rows(session, "SELECT pg_current_snapshot()::text")
    fresh.own.execute("UPDATE counted SET v = 0 WHERE id = 2")
    fresh.read()
    counts = [len(fresh.reader.committed(Snapshot.parse(text))) for (text,) in texts]
    assert counts == [2, 1]


def test_a_transaction_that_was_running_is_not_shown(fresh: Watched) -> None:
    fresh.begin()
    fresh.own.execute("UPDATE counted SET v = 0 WHERE id = 1")
    fresh.control.execute("UPDATE counted SET v = 0 WHERE id = 2")
    ((running,),) = rows(fresh.prober, "SELECT pg_current_snapshot()::text")
    own = fresh.top()
    fresh.end("COMMIT")
    fresh.read()
    assert [one.xid for one in fresh.reader.committed(Snapshot.parse(running))] == [own]


def test_committed_transactions_are_forgotten(fresh: Watched) -> None:
    ((text,),) = rows(fresh.observer, "SELECT pg_current_snapshot()::text")
    fresh.own.execute("UPDATE counted SET v = 0")
    between = fresh.flushed()
    fresh.own.execute("UPDATE counted SET v = 1")
    fresh.read()
    fresh.reader.forget(between)
    (left,) = fresh.reader.committed(Snapshot.parse(text))
    assert left.lsn > between
    fresh.reader.forget(fresh.flushed())
    assert fresh.reader.committed(Snapshot.parse(text)) == []


def test_rows_of_other_databases_are_left_out(server: Server, fresh: Watched, shapes: str) -> None:
    ((text,),) = rows(fresh.observer, "SELECT pg_current_snapshot()::text")
    with server.connect(shapes) as elsewhere:
        elsewhere.execute("BEGIN; UPDATE counted SET v = 7")
        ((xid,),) = rows(elsewhere, "SELECT pg_current_xact_id()::text::int8")
        fresh.read()
        assert fresh.reader.operations([xid]) == []
        elsewhere.execute(
            "ROLLBACK; CREATE TEMPORARY TABLE passing (i int); INSERT INTO counted (v) VALUES (1)"
        )
    fresh.read()
    assert fresh.reader.committed(Snapshot.parse(text)) == []
