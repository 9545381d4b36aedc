"""Leases: one holder at a time, take-over after the end, and a fencing token."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item, RaceCondition, TableTransaction
from blocks_runtime.atomic_table.leases import Term
from blocks_runtime.errors import CommitOutcomeUnknown, LeaseHeld, LeaseLost

if TYPE_CHECKING:
    from blocks_runtime.atomic_table.lease import Lease
    from local_dynamodb import LocalDynamo


def test_one_process_has_it(table: AtomicTable) -> None:
    with table.lease("job", seconds=30) as lease:
        assert 15 < lease.remaining <= 30
        with pytest.raises(LeaseHeld) as caught, table.lease("job"):
            pytest.fail("two holders")
        assert 10 < caught.value.until - time.time() <= 30
        with table.lease("another job"):
            pass
        first = lease.token
    assert lease.remaining == 0
    with pytest.raises(LeaseLost):
        lease.token  # noqa: B018
    with table.lease("job") as lease:
        assert lease.token > first


def test_it_is_taken_over_after_its_end(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = table.lease("job", seconds=30)
    lease.acquire()
    stale, now = lease.token, time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31)
    with pytest.raises(LeaseLost):
        lease.check()
    with table.lease("job") as other:
        assert other.token > stale
        with pytest.raises(LeaseLost):
            lease.renew()
        lease.release()
        other.renew()


def write_under(table: AtomicTable, lease: Lease, write: str, value: str) -> None:
    if write == "set_atomic":
        table.set_atomic(Item("result", "1", value), [lease])
        return

    def body(tx: TableTransaction) -> None:
        tx.require(lease)
        tx.set(Item("result", "1", value))

    if write == "transaction":
        table.transaction(body, retry_on_conflict=True)
        return
    with table.transaction() as tx:
        body(tx)


WRITES = pytest.mark.parametrize("write", ["set_atomic", "transaction", "block"])


@WRITES
def test_a_holder_whose_lease_was_taken_over_cannot_write(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """By a process whose clock is ahead, or while the holder slept: the lease is lost, which is no race to repeat."""
    lease = table.lease("job", seconds=30)
    lease.acquire()
    now = time.time()
    with monkeypatch.context() as other_machine:
        other_machine.setattr(time, "time", lambda: now + 31)
        other = table.lease("job", seconds=30)
        other.acquire()
    assert lease.remaining > 0
    attempts = table.stats.retries
    with pytest.raises(LeaseLost, match="'job' was taken over by another process") as caught:
        write_under(table, lease, write, "stale")
    assert isinstance(caught.value.__cause__, RaceCondition)
    assert not caught.value.retryable
    assert table.stats.retries == attempts
    assert lease.remaining == 0
    write_under(table, other, write, "fresh")
    assert [item.data for item in table.query("result")] == ["fresh"]
    lease.release()
    write_under(table, other, write, "still held")


@WRITES
def test_a_lease_that_is_renewed_meanwhile_is_not_lost(table: AtomicTable, write: str) -> None:
    """Another thread of the holder renews it between the condition and the write: a race, which may be repeated."""
    store: Any = table._connected().store
    with table.lease("job", seconds=30) as lease:
        inner, waiting = store.write, [lease.renew]

        def write_late(*arguments: Any) -> None:
            if len(arguments[0]) > 1 and waiting:
                waiting.pop()()
            inner(*arguments)

        store.write = write_late
        if write == "transaction":
            write_under(table, lease, write, "written")
        else:
            with pytest.raises(RaceCondition):
                write_under(table, lease, write, "refused")
            write_under(table, lease, write, "written")
        store.write = inner
        lease.check()
    assert [item.data for item in table.query("result")] == ["written"]


def test_a_race_on_an_item_leaves_the_lease(table: AtomicTable) -> None:
    table.set(Item("p", "s", 1))
    old = table.get(("p", "s"))
    assert old is not None
    table.set(Item("p", "s", 2))
    with table.lease("job") as lease:
        with pytest.raises(RaceCondition):
            table.set_atomic(old.with_data(3), [lease])
        lease.renew()


def test_renewal_prolongs_it(table: AtomicTable) -> None:
    with table.lease("job", seconds=5) as lease:
        before = lease.token
        lease.renew(50)
        assert lease.remaining > 40
        assert lease.token > before
        with pytest.raises(LeaseHeld), table.lease("job"):
            pytest.fail("two holders")


def test_waiting_for_another_holder(table: AtomicTable) -> None:
    first = table.lease("job", seconds=0.4)
    first.acquire()
    started = time.monotonic()
    with table.lease("job", wait=20):
        assert time.monotonic() - started > 0.2


def test_one_of_many_gets_it(table: AtomicTable) -> None:
    def attempt(_: int) -> bool:
        try:
            table.lease("job", seconds=60).acquire()
        except LeaseHeld:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_lost_answer_does_not_lose_it(dynamodb_table: AtomicTable, dynamo: LocalDynamo) -> None:
    """A renewal whose answer was lost makes other lock clients give up a lease that they hold."""
    dynamo.inject("outcome-unknown", operation="TransactWriteItems")
    with dynamodb_table.lease("job") as lease:
        dynamo.inject("outcome-unknown", operation="TransactWriteItems")
        lease.renew()
        lease.check()
    assert not dynamo.armed()


def test_the_clock_that_leaves_less_time_counts() -> None:
    """The monotonic clock may stand still while a sandbox is frozen, and the wall clock may be set back."""
    wall = [1000.0]
    term = Term(60, lambda: wall[0])
    assert 59 < term.remaining <= 60
    wall[0] = 1050
    assert 9 < term.remaining <= 10
    wall[0] = 900
    assert 59 < term.remaining <= 60
    wall[0] = 1061
    assert term.remaining == 0


def test_seconds_must_be_positive(table: AtomicTable) -> None:
    with pytest.raises(ValueError, match="seconds is 0"):
        table.lease("job", seconds=0)


@pytest.mark.parametrize("fails", [False, True])
def test_a_release_that_fails_hides_neither_result_nor_error(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    def work(table: AtomicTable) -> str:
        with table.lease("job", seconds=30):
            dynamo.inject("InternalServerError", times=None)
            if fails:
                raise KeyError("mine")
        return "done"

    with AtomicTable("locks", request_deadline=0.2) as table:
        if fails:
            with pytest.raises(KeyError, match="mine"):
                work(table)
        else:
            assert work(table) == "done"
    assert "the lease 'job' was not given back, and ends by itself within 30 s" in caplog.text


@pytest.mark.parametrize("step", ["acquire", "renew"])
def test_a_lease_whose_answer_was_lost_is_held(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, step: str
) -> None:
    """A repetition must not blame another process, and the release must free the lease."""
    with AtomicTable("locks", request_deadline=0.2) as table:
        lease = table.lease("job", seconds=30)
        if step == "renew":
            lease.acquire()
        number = dynamo.inject("outcome-unknown", operation="TransactWriteItems", times=None)
        with pytest.raises(CommitOutcomeUnknown):
            getattr(lease, step)()
        dynamo.remove(number)
        getattr(lease, step)()
        table.set_atomic(Item("a", "b", 1), [lease])
        dynamo.inject("outcome-unknown", operation="TransactWriteItems", times=None)
        with pytest.raises(CommitOutcomeUnknown):
            lease.renew()
        for armed in list(dynamo.armed()):
            dynamo.remove(armed)
        lease.release()
        with table.lease("job"):
            pass


def test_a_lost_answer_of_one_that_was_not_made_is_no_lease(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo
) -> None:
    with AtomicTable("locks", request_deadline=0.2) as table:
        lease = table.lease("job", seconds=30)
        number = dynamo.inject("connection-lost", operation="TransactWriteItems", times=None)
        with pytest.raises(CommitOutcomeUnknown):
            lease.acquire()
        dynamo.remove(number)
        with table.lease("job"), pytest.raises(LeaseHeld):
            lease.acquire()
