"""Subtransactions: whose they are before the COMMIT, released and rolled back ones included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.write_ahead_log import LockStrength, OperationKind, Snapshot, net_changes
from tests.local_dsql.write_ahead_log.servers import rows, running
from tests.local_dsql.write_ahead_log.watched import MODES, Watched

if TYPE_CHECKING:
    from pathlib import Path

HELD = (
    "SELECT transactionid::text::int8 FROM pg_locks "
    "WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND pid = pg_backend_pid()"
)
RELEASED = "SAVEPOINT a; UPDATE counted SET v = 0 WHERE id = {0}; RELEASE a"


def test_a_released_one_is_known_when_its_lock_is_gone(watched: Watched) -> None:
    watched.begin()
    watched.own.execute(RELEASED.format(1).encode())
    watched.own.execute("SAVEPOINT b; UPDATE counted SET v = 0 WHERE id = 2")
    xids = watched.xids()
    held = {watched.reader.full_xid(xid) for (xid,) in rows(watched.own, HELD)}
    assert held < xids
    assert len(xids - held) == 1
    watched.end()


def test_a_handler_of_exceptions_is_known(watched: Watched) -> None:
    watched.begin()
    watched.own.execute("SELECT try('UPDATE counted SET v = 0 WHERE id = 1')")
    top = watched.top()
    assert top is not None
    watched.read()
    assert watched.reader.operations([top]) == []
    assert len(watched.reader.operations(watched.reader.subtransactions(top))) == 1
    watched.end()


def test_what_is_rolled_back_takes_all_that_was_released_into_it(watched: Watched) -> None:
    watched.begin()
    watched.own.execute("UPDATE counted SET v = 0 WHERE id = 9; SAVEPOINT outer_one")
    for i in range(1, 4):
        watched.own.execute(RELEASED.format(i).encode())
    assert len(watched.xids()) == 4
    watched.own.execute("ROLLBACK TO outer_one")
    assert watched.xids() == {watched.top()}
    assert watched.check() == 1
    watched.end()


def test_the_first_record_may_be_of_any_kind(watched: Watched) -> None:
    """A subtransaction that makes a table first names its top-level transaction in a record that is about no row."""
    watched.begin()
    watched.own.execute(
        "SAVEPOINT a; CREATE TABLE made (i int, tag uuid); INSERT INTO made VALUES (1); RELEASE a"
    )
    assert len(watched.xids()) == 2
    watched.end()


def test_two_transactions_are_kept_apart(watched: Watched) -> None:
    other = watched.prober
    watched.begin()
    other.execute("BEGIN")
    for i in range(1, 5):
        watched.own.execute(RELEASED.format(i).encode())
        other.execute(RELEASED.format(i + 10).encode())
    ((top,),) = rows(other, "SELECT pg_current_xact_id()::text::int8")
    own = watched.xids()
    theirs = {top, *watched.reader.subtransactions(top)}
    assert len(own) == len(theirs) == 5
    assert not own & theirs
    other.execute("ROLLBACK")
    watched.end()


def test_a_commit_names_the_ones_that_were_not_rolled_back(fresh: Watched) -> None:
    ((text,),) = rows(fresh.observer, "SELECT pg_current_snapshot()::text")
    fresh.begin()
    fresh.own.execute(RELEASED.format(1).encode())
    fresh.own.execute("SAVEPOINT gone; UPDATE counted SET v = 0 WHERE id = 2; ROLLBACK TO gone")
    fresh.own.execute("SAVEPOINT kept; UPDATE counted SET v = 0 WHERE id = 3")
    xids = fresh.xids()
    fresh.end("COMMIT")
    fresh.read()
    (committed,) = fresh.reader.committed(Snapshot.parse(text))
    # a savepoint that was rolled back to begins anew, with a number that the log names at the COMMIT only
    assert {committed.xid, *committed.subtransactions} > xids
    assert len(committed.operations) == 2
    assert fresh.reader.operations(xids) == []
    assert fresh.reader.subtransactions(committed.xid) == frozenset()


def test_a_killed_session_leaves_nothing(fresh: Watched) -> None:
    fresh.begin()
    fresh.own.execute(RELEASED.format(1).encode())
    fresh.own.execute("SAVEPOINT b; UPDATE counted SET v = 0 WHERE id = 2")
    xids = fresh.xids()
    assert len(fresh.reader.operations(xids)) == 2
    fresh.control.execute(f"SELECT pg_terminate_backend({fresh.own.info.backend_pid}, 5000)".encode())
    fresh.read()
    assert fresh.reader.operations(xids) == []


@pytest.mark.parametrize("level", ["replica", "logical"])
def test_what_each_level_of_the_log_tells(tmp_path: Path, level: str) -> None:
    """Under `replica` the log names parents for every 64th subtransaction only: too few for handlers."""
    with running(tmp_path, settings={"wal_level": level}) as server:
        session = server.connect()
        session.execute("CREATE TABLE t (i int)")
        watched = Watched(server)
        watched.begin()
        for i in range(100):
            watched.own.execute(f"SAVEPOINT a; INSERT INTO t VALUES ({i}); RELEASE a".encode())
        assert len(watched.xids()) - 1 == {"replica": 64, "logical": 100}[level]
        watched.end()
        watched.close()


def test_prepared_transactions_end_by_another_one(tmp_path: Path) -> None:
    """The record of the end names the transaction after all that else is in it: files, statistics, invalidations."""
    with running(tmp_path, settings={"max_prepared_transactions": "2"}) as server:
        session = server.connect()
        session.execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)")
        watched = Watched(server)
        ((text, file),) = rows(session, "SELECT pg_current_snapshot()::text, pg_relation_filenode('t')::int8")
        for name, end in (("one", "COMMIT"), ("two", "ROLLBACK")):
            session.execute(f"CREATE TABLE {name} (i int)".encode())
            session.execute(f"BEGIN; CREATE TABLE new_{name} (i int); DROP TABLE {name}".encode())
            session.execute(b"SAVEPOINT a; INSERT INTO t VALUES (2); RELEASE a")
            ((xid,),) = rows(session, "SELECT pg_current_xact_id()::text::int8")
            session.execute(f"PREPARE TRANSACTION '{name}'".encode())
            watched.read()
            assert len(watched.reader.operations(watched.reader.subtransactions(xid))) == 1
            session.execute(f"{end} PREPARED '{name}'".encode())
            watched.read()
            assert watched.reader.operations([xid, *watched.reader.subtransactions(xid)]) == []
        committed = [
            operation.kind
            for one in watched.reader.committed(Snapshot.parse(text))
            for operation in one.operations
            if operation.file == file
        ]
        assert committed == [OperationKind.INSERT]
        watched.close()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (LockStrength.KEY_SHARE, LockStrength.KEY_SHARE),
        (LockStrength.KEY_SHARE, LockStrength.SHARE),
        (LockStrength.KEY_SHARE, LockStrength.NO_KEY_UPDATE),
        (LockStrength.SHARE, LockStrength.KEY_SHARE),
        (LockStrength.SHARE, LockStrength.SHARE),
        (LockStrength.NO_KEY_UPDATE, LockStrength.KEY_SHARE),
    ],
)
def test_a_shared_lock_keeps_its_own_strength(
    watched: Watched, mine: LockStrength, theirs: LockStrength
) -> None:
    """Two lockers of a row are a MultiXact, whose strength is that of the strongest: the log says who holds which."""
    watched.begin()
    watched.prober.execute(f"BEGIN; SELECT FROM parent WHERE id = 1 FOR {MODES[theirs]}".encode())
    watched.own.execute(f"SELECT FROM parent WHERE id = 1 FOR {MODES[mine]}".encode())
    watched.read()
    top = watched.top()
    assert top is not None
    (operation,) = watched.reader.operations([top])
    assert (operation.strength, operation.multixact) == (mine, 0)
    watched.prober.execute("ROLLBACK")
    watched.end()


def test_a_multixact_from_before_the_reader_is_left_to_the_caller(fresh: Watched) -> None:
    fresh.begin()
    fresh.own.execute("SELECT FROM parent WHERE id = 1 FOR KEY SHARE")
    fresh.prober.execute("BEGIN; SELECT FROM parent WHERE id = 1 FOR SHARE")
    fresh.read()
    fresh.reader.skip(fresh.flushed())
    fresh.own.execute("SELECT FROM parent WHERE id = 2 FOR KEY SHARE")
    fresh.prober.execute(
        "SELECT FROM parent WHERE id = 2 FOR SHARE"
    )  # the same members, so the same MultiXact
    fresh.read()
    ((xid,),) = rows(fresh.prober, "SELECT pg_current_xact_id()::text::int8")
    (operation,) = fresh.reader.operations([xid])
    assert operation.multixact > 0
    members = dict(
        rows(
            fresh.control,
            f"SELECT xid::text::int8, mode FROM pg_get_multixact_members('{operation.multixact}')",
        )
    )
    assert members[xid] == "sh"
    changes = net_changes([operation], multixact_strength=lambda _, strongest: LockStrength.SHARE)
    assert set(changes[operation.file].locks.values()) == {LockStrength.SHARE}
    fresh.prober.execute("ROLLBACK")
    fresh.end()


def test_a_lock_follows_the_updates_of_others(fresh: Watched) -> None:
    """A row that another transaction has updated since is locked in both versions: a DELETE may be of either."""
    fresh.begin()
    fresh.control.execute("UPDATE parent SET n = 99 WHERE id = 1")
    fresh.own.execute("INSERT INTO cascades VALUES (100, 1)")
    (changes,) = [changes for changes in fresh.changes().values() if changes.locks]
    (shown,) = changes.locks
    assert len(changes.held) == 2
    (newer,) = changes.held.keys() - {shown}
    ((where,),) = rows(fresh.control, "SELECT ctid::text FROM parent WHERE id = 1")
    assert f"({newer.block},{newer.offset})" == where
    fresh.end()
