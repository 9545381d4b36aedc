"""Changes that others commit while a transaction is open are kept for it, up to a bound, and only while it is open."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from local_dsql.engine import savepoints
from local_dsql.engine.committed_rows import CommittedRows, Newer, holdings
from local_dsql.engine.opening import Opening
from local_dsql.write_ahead_log import LockStrength, OperationKind, Place, RowOperation, Snapshot, net_changes
from local_dsql.write_ahead_log.packed import DELETE, INSERT, NO_LOCK, UPDATE, pack
from local_dsql.write_ahead_log.transactions import CommittedTransaction
from tests.local_dsql.write_ahead_log.servers import DROP_SLOT

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Laboratory

FILE = 7
MANY = 200_000
COMMITS = """CREATE PROCEDURE commits(number int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..number LOOP
        UPDATE t SET n = n + 1 WHERE id = 2 + i; -- one row only would get slower with each version
        COMMIT;
    END LOOP;
END $$"""


def updated(xid: int, old: Place, new: Place) -> CommittedTransaction:
    """Return a transaction that has updated one row."""
    operation = pack(
        xid, FILE, old.block, new.block, 0, old.offset, new.offset, UPDATE, LockStrength.NO_KEY_UPDATE, True
    )
    return CommittedTransaction(xid, frozenset(), xid, (operation,))


def place(number: int) -> Place:
    """Return the place of a row."""
    return Place(number // 100, number % 100 + 1)


def test_one_operation_is_taken_as_several_are() -> None:
    rows, inserted = CommittedRows(), pack(1, FILE, 0, 5, 0, 0, 1, INSERT, NO_LOCK, False)
    one = updated(3, place(1), place(2))
    both = CommittedTransaction(4, frozenset(), 4, (*updated(4, place(3), place(4))._operations, inserted))
    rows.add(one)
    rows.add(both)
    newer = Newer(rows, Snapshot(3, 3, frozenset()))
    assert list(newer.made(FILE)) == [place(2), Place(5, 1), place(4)]
    assert list(newer.keyed(FILE)) == [Place(5, 1)]
    assert list(newer.gone(FILE)) == [place(1), place(3)]
    assert newer.writers([FILE, 8]) == (3, 4)
    assert Newer(rows, Snapshot(4, 4, frozenset())).writers([FILE]) == (4,)
    assert Newer(rows, Snapshot(3, 5, frozenset({3}))).writers([FILE]) == (3,)


def changed(
    xid: int, old: Place | None, new: Place | None, *, keys_unchanged: bool = True
) -> CommittedTransaction:
    """Return a transaction that has inserted, updated or deleted one row."""
    kind = INSERT if old is None else DELETE if new is None else UPDATE
    strength = NO_LOCK if old is None else LockStrength.UPDATE
    old, new = old or Place(0, 0), new or Place(0, 0)
    operation = pack(
        xid, FILE, old.block, new.block, 0, old.offset, new.offset, kind, strength, keys_unchanged
    )
    return CommittedTransaction(xid, frozenset(), xid, (operation,))


def test_versions_of_a_row_are_followed_from_place_to_place() -> None:
    rows = CommittedRows()
    history = (
        changed(2, place(1), place(90)),  # shown by the snapshot
        changed(3, None, place(10), keys_unchanged=False),
        changed(4, place(1), place(2)),
        changed(5, place(10), place(11)),
        changed(6, place(2), place(3), keys_unchanged=False),
        changed(7, place(11), None),
        changed(8, place(50), place(10)),  # the place of a row that is gone is used again
        changed(9, place(60), place(1)),
    )
    for each in history:
        rows.add(each)
    newer = Newer(rows, Snapshot(3, 3, frozenset()))
    assert list(newer.keyed(FILE)) == [place(11), place(3)]
    assert list(newer.versions(FILE, [place(1), place(40)])) == [place(40), place(2), place(3)]
    assert list(newer.versions(8, [place(1)])) == [place(1)]


def test_the_transactions_that_have_made_a_row_are_found() -> None:
    rows = CommittedRows()
    for each in (
        changed(2, place(1), place(2)),  # shown by the snapshot
        changed(3, place(2), place(3)),
        changed(4, place(70), place(71)),
        changed(5, place(3), place(4), keys_unchanged=False),
        changed(6, place(50), place(2)),  # the place is used again
        changed(7, None, place(8)),
    ):
        rows.add(each)
    newer = Newer(rows, Snapshot(3, 3, frozenset()))
    cases = {(4,): {3, 5}, (2,): {6}, (8,): {7}, (1,): set(), (4, 71): {3, 4, 5}}
    for places, makers in cases.items():
        assert newer.makers(FILE, [place(each) for each in places]) == makers
    assert not newer.makers(8, [place(4)])


@pytest.mark.parametrize(
    ("change", "freed"),
    [
        (changed(3, place(1), place(2)), False),
        (changed(3, place(1), place(2), keys_unchanged=False), True),
        (changed(3, place(1), None), True),
        (changed(3, None, place(2)), False),
    ],
    ids=["update", "update of a key", "delete", "insert"],
)
def test_only_changes_of_keys_free_them(change: CommittedTransaction, freed: bool) -> None:
    inserted = pack(1, FILE, 0, 5, 0, 0, 1, INSERT, NO_LOCK, False)
    for each in (change, CommittedTransaction(3, frozenset(), 3, (*change._operations, inserted))):
        rows = CommittedRows()
        rows.add(each)
        assert Newer(rows, Snapshot(3, 3, frozenset())).has_freed(FILE) is freed


def test_a_comparison_costs_what_the_transaction_has_changed() -> None:
    rows = CommittedRows()
    for xid in range(1, MANY):
        rows.add(updated(xid, place(xid), place(xid + 1)))
    mine = holdings(
        net_changes([RowOperation(OperationKind.DELETE, FILE, place(5), None, LockStrength.UPDATE, 0, 0)])
    )
    newer = Newer(rows, Snapshot(1, 1, frozenset()))
    began = time.thread_time()
    for _ in range(100):
        assert [each.winner for each in newer.conflicts(mine)] == [5]
        assert newer.has_removed(FILE)
    assert time.thread_time() - began < 0.05
    rows.forget(MANY // 2)
    assert len(rows) == 3 * (MANY - MANY // 2)
    assert newer.conflicts(mine) == []
    rows.forget(MANY)
    assert (len(rows), rows._locks) == (0, {})


def test_a_late_answer_to_begin_leaves_the_log_of_others(laboratory: Laboratory) -> None:
    """A session opens and writes while PostgreSQL has not answered the BEGIN of another one yet."""

    async def run() -> None:
        late, writer, other = [await laboratory.client() for _ in range(3)]
        await writer.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        async with late.session.exclusive() as held:
            opening = Opening(held)
            await writer.ok("begin", "update t set n = 1")
            _, opened = await held.ask(savepoints.BEGIN + savepoints.OPEN, 2)
            opening.answered()
            opening.open(savepoints.BEGIN, *opened.rows(), implicit=False)
        await other.ok("begin", "update t set n = 2", "rollback")  # suspends the writer
        assert (await writer.run("select n from t")).rows == [("1",)]
        await writer.ok("commit")
        assert (await other.run("select n from t")).rows == [("1",)]

    laboratory.run(run())


@pytest.mark.slow
def test_many_commits_beside_an_open_transaction(laboratory: Laboratory) -> None:
    rounds = 100

    async def run() -> None:
        one, same, other = [await laboratory.client() for _ in range(3)]
        await one.ok("create table t(id int primary key, n int)")
        await one.ok("insert into t select i, 0 from generate_series(1, 2500) i")
        superuser = await laboratory.server.connect("postgres")
        await superuser.rows(COMMITS)
        await one.ok("begin", "update t set n = 1 where id = 1")
        await same.ok("begin", "update t set n = 1 where id = 2")
        await other.ok("update t set n = n + 1 where id = 2")  # else it would block the superuser
        for _ in range(rounds):
            await superuser.rows(f"call commits({MANY // rounds})")
            await other.ok("update t set n = n + 1 where id = 3")
        superuser.close()
        await asyncio.sleep(0.3)
        assert laboratory.engine.services.log.kept > 3 * MANY
        reply = await one.run("commit")
        assert reply.short == "COMMIT"
        assert reply.seconds < 0.5
        assert (await same.run("commit")).short == "40001"
        await other.ok("update t set n = n + 1 where id = 3")
        await asyncio.sleep(0.5)
        assert laboratory.engine.services.log.kept < 10

    laboratory.run(run(), timeout=600)


def test_a_transaction_that_is_too_old_to_be_judged_gets_a_conflict(laboratory: Laboratory) -> None:
    laboratory.engine.services.log.most = 100

    async def run() -> None:
        old, idle, other = [await laboratory.client() for _ in range(3)]
        await old.ok("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
        await old.ok("begin", "update t set n = 1 where id = 1")
        await idle.ok("begin", "select * from t")
        for _ in range(60):
            await other.ok("update t set n = n + 1 where id = 2")
        await asyncio.sleep(0.3)
        assert (await old.run("commit")).sqlstate == "40001"
        assert (await idle.run("select * from t")).sqlstate == "40001"
        await idle.ok("rollback", "begin", "update t set n = 5 where id = 1", "commit")

    laboratory.run(run())


def test_log_that_is_gone_dooms_open_transactions(laboratory: Laboratory) -> None:
    async def run() -> None:
        old, other = await laboratory.client(), await laboratory.client()
        await old.ok("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
        await old.ok("begin", "update t set n = 1 where id = 1")
        rounds = laboratory.engine._rounds
        assert rounds is not None
        rounds.cancel()  # else it may have read the log before that is gone
        await laboratory.engine._superuser.rows(DROP_SLOT)
        await other.ok("update t set n = n + 1 where id = 2")
        superuser = await laboratory.server.connect("postgres")
        for _ in range(3):
            await superuser.rows("update t set n = n + 1 where id = 2; select pg_switch_wal()")
            await superuser.rows("checkpoint")
        superuser.close()
        assert (await old.run("commit")).short == "40001"
        await other.ok("begin", "update t set n = n + 10 where id = 1", "commit")
        assert (await other.run("select n from t where id = 1")).rows == [("10",)]

    laboratory.run(run(), timeout=30)
