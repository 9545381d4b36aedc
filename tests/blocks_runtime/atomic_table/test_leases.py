"""Leases: one holder at a time, take-over after the end, and a fencing token."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AtomicTable, Item, RaceCondition
from blocks_runtime.atomic_table.leases import Term
from blocks_runtime.errors import CommitOutcomeUnknown, LeaseHeld, LeaseLost

if TYPE_CHECKING:
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


def test_a_holder_that_slept_cannot_write(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = table.lease("job", seconds=30)
    lease.acquire()
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + 31)
        other = table.lease("job", seconds=30)
        other.acquire()
    with pytest.raises(RaceCondition):
        table.set_atomic(Item("result", "1", "stale"), [lease])
    with pytest.raises(RaceCondition), table.transaction() as tx:
        tx.require(lease)
        tx.set(Item("result", "1", "stale"))
    with table.transaction() as tx:
        tx.require(other)
        tx.set(Item("result", "1", "fresh"))
    table.set_atomic(Item("result", "2", "fresh"), other)
    assert [item.data for item in table.query("result")] == ["fresh", "fresh"]


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


def test_a_clock_that_is_ahead_takes_a_lease_over_and_the_holder_cannot_write(
    dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = dynamodb_table.lease("job", seconds=30)
    with held:
        with monkeypatch.context() as other_machine:
            now = time.time() + 60
            other_machine.setattr(time, "time", lambda: now)
            with dynamodb_table.lease("job", seconds=30) as taken:
                dynamodb_table.set_atomic(Item("p", "s", "new"), [taken])
        assert held.remaining > 0
        with pytest.raises(RaceCondition):
            dynamodb_table.set_atomic(Item("p", "s", "old"), [held])
