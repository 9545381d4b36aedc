"""The end of a transaction whose tasks or threads still use it: nothing is sent, kept or lost after it."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors, sql
from blocks_runtime.database.aio.primitives import FifoSemaphore
from blocks_runtime.database.pool import Pool
from blocks_runtime.database.primitives import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blocks_runtime import AsyncTransaction, Sql, Transaction
    from blocks_runtime.database.session import Session
    from tests.support.relay import Relay

ALL = sql("SELECT id, n FROM items ORDER BY id")
BEFORE = [(1, 100), (2, 100)]
ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")
SLEEP = sql("SELECT pg_sleep(5)")
FAILS = sql("SELECT 1/0")
PROMPTLY = 3.0
"""Seconds within which the end of a transaction must not wait for a statement of `SLEEP`."""


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt, which pytest would take for its own."""


def large() -> Sql:
    """Return an INSERT whose value the driver converts for a while before it sends it."""
    rows = list(range(50_000))
    return sql("INSERT INTO items SELECT 3, count(*) FROM unnest({rows}::int[])", rows=rows)


def leave_by(error: BaseException | None) -> None:
    if error is not None:
        raise error


ENDS: dict[str, tuple[BaseException | None, type[BaseException]]] = {
    "returns": (None, errors.TransactionAborted),
    "raises": (LookupError(), LookupError),
    "is interrupted": (Interrupted(), Interrupted),
}
UNDER_WAY: dict[str, Callable[[], Sql]] = {"converts a value": large, "waits for the server": lambda: SLEEP}


@pytest.mark.parametrize("statement", UNDER_WAY.values(), ids=UNDER_WAY)
@pytest.mark.parametrize(("error", "seen"), ENDS.values(), ids=ENDS)
def test_the_function_ends_while_another_thread_uses_the_transaction(
    db: DistributedDatabase,
    error: BaseException | None,
    seen: type[BaseException],
    statement: Callable[[], Sql],
) -> None:
    told: list[object] = []
    threads: list[threading.Thread] = []

    def work(tx: Transaction) -> None:
        tx.execute(ADD)
        text = statement()

        def use() -> None:
            try:
                told.append(tx.execute(text))
            except errors.DatabaseError as refused:
                told.append(refused)

        threads.append(threading.Thread(target=use))
        threads[0].start()
        time.sleep(0.005)
        leave_by(error)

    for number in range(1, 4):
        started = time.monotonic()
        with pytest.raises(seen):
            db.transaction(work)
        assert db.query(sql("SELECT 42"), tuple) == [(42,)], "the next user of the pool gets its own answer"
        threads.pop().join()
        assert time.monotonic() - started < PROMPTLY
        assert isinstance(told[-1], errors.TransactionAborted)
        assert "wait for every statement" in str(told[-1]) or "the transaction is over" in str(told[-1])
        assert db.query(ALL, tuple) == BEFORE, "a statement was committed on its own"
        assert (len(told), db.stats.idle) == (number, db.stats.open)


def run_alone(program: str) -> str:
    """Run a program in a process of its own, which a fault may end by a signal, and return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout.strip()


TASKS = """
import asyncio
from blocks_runtime import AsyncDistributedDatabase, errors, sql

async def main():
    db, other = (AsyncDistributedDatabase("main", max_connections=3) for _ in range(2))
    siblings = []
    async def work(tx):
        siblings.append(asyncio.create_task(tx.query(sql("SELECT pg_sleep(5)"))))
        await asyncio.gather(siblings[-1], tx.query(sql("SELECT 1")), asyncio.create_task(failing(tx)))
    async def failing(tx):
        await asyncio.sleep(0.01)
        raise LookupError
    async def fail():
        for _ in range(8):
            try:
                await db.transaction(work)
            except LookupError:
                pass
    async def unrelated():
        for n in range(40):
            assert await other.query_value(sql("SELECT {n}::int", n=n), deadline=10) == n
    await asyncio.gather(fail(), fail(), fail(), unrelated(), unrelated())
    told = await asyncio.gather(*siblings, return_exceptions=True)
    print({type(each).__name__ for each in told}, db.stats.refused, db.stats.open - db.stats.idle)

asyncio.run(asyncio.wait_for(main(), 50))
"""


def test_many_tasks_fail_beside_statements_under_way(function: None) -> None:
    """The driver's memory, and the descriptors that the event loop watches, belong to the statement under way."""
    assert run_alone(TASKS) == "{'TransactionAborted'} 0 0"


THREADS = """
import threading, time
from blocks_runtime import DistributedDatabase, errors, sql

db = DistributedDatabase("main")
told, siblings = set(), []

def work(tx):
    def use():
        try:
            tx.query(sql("SELECT pg_sleep(5)"))
        except Exception as error:
            told.add(type(error).__name__)
    siblings.append(threading.Thread(target=use, daemon=True))
    siblings[-1].start()
    time.sleep(0.01)
    raise LookupError

def fail():
    for n in range(8):
        try:
            db.transaction(work)
        except LookupError:
            pass
        assert db.query_value(sql("SELECT {n}::int", n=n), deadline=10) == n

workers = [threading.Thread(target=fail) for _ in range(3)]
for each in workers: each.start()
for each in workers + siblings: each.join(20)
print(told, sum(each.is_alive() for each in siblings), db.stats.refused, db.stats.open - db.stats.idle)
"""


def test_many_threads_fail_beside_statements_under_way(function: None) -> None:
    assert run_alone(THREADS) == "{'TransactionAborted'} 0 0 0"


def played(scene: Callable[[AsyncDistributedDatabase], Awaitable[object]], connections: int = 2) -> object:
    async def whole() -> object:
        async with AsyncDistributedDatabase("main", max_connections=connections) as db:
            return await scene(db)

    return asyncio.run(asyncio.wait_for(whole(), 30))


def test_a_cancelled_transaction_beside_a_statement_under_way(function: None) -> None:
    """Also one that is cancelled again while it ends, and one whose only connection the next one needs."""

    async def scene(db: AsyncDistributedDatabase) -> None:
        siblings: list[asyncio.Task[object]] = []

        async def work(tx: AsyncTransaction) -> None:
            await tx.execute(ADD)
            siblings.append(asyncio.create_task(tx.query(SLEEP)))
            await asyncio.sleep(5)

        for _ in range(5):
            running = asyncio.create_task(_transaction(db, work))
            await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await db.query(ALL, tuple, deadline=PROMPTLY) == BEFORE
        told = await asyncio.gather(*siblings, return_exceptions=True)
        assert {type(each) for each in told} == {errors.TransactionAborted}

    played(scene, connections=1)


async def _transaction(
    db: AsyncDistributedDatabase, work: Callable[[AsyncTransaction], Awaitable[None]]
) -> None:
    await db.transaction(work)


def test_a_stream_under_way_in_another_thread(db: DistributedDatabase) -> None:
    told: list[BaseException] = []
    threads: list[threading.Thread] = []
    slow = sql("SELECT n, pg_sleep(0.05) FROM generate_series(1, 1000) AS n")

    def work(tx: Transaction) -> None:
        def read() -> None:
            try:
                for _ in tx.stream(slow, size=1):
                    pass
            except errors.DatabaseError as error:
                told.append(error)

        threads.append(threading.Thread(target=read))
        threads[0].start()
        time.sleep(0.2)
        raise LookupError

    with pytest.raises(LookupError):
        db.transaction(work)
    threads[0].join(PROMPTLY)
    assert [type(each) for each in told] == [errors.TransactionAborted]
    assert db.query(ALL, tuple) == BEFORE
    assert db.stats.open == db.stats.idle


# Errors that a function swallows, after which COMMIT cannot be sent.
def _late(tx: Transaction) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        tx.query(SLEEP, deadline=0.1)


def _refused(tx: Transaction) -> None:
    with pytest.raises(errors.QueryFailed):
        tx.query(FAILS)


def _ended(tx: Transaction) -> None:
    with pytest.raises(errors.TransactionAborted):
        tx.execute(sql("ROLLBACK"))
    with pytest.raises(errors.TransactionAborted, match="a statement had ended the transaction"):
        tx.execute(ADD)


@pytest.mark.parametrize(
    ("swallow", "cause"),
    [(_late, errors.DeadlineExceeded), (_refused, errors.QueryFailed), (_ended, type(None))],
)
def test_a_swallowed_error_aborts_the_transaction(
    db: DistributedDatabase, swallow: Callable[[Transaction], None], cause: type[BaseException]
) -> None:
    """COMMIT was not sent, or answered with ROLLBACK: the outcome is known."""

    def work(tx: Transaction) -> None:
        tx.execute(ADD)
        swallow(tx)

    with pytest.raises(errors.TransactionAborted) as caught:
        db.transaction(work, retry_on_conflict=True)
    assert isinstance(caught.value.__cause__, cause)
    assert (caught.value.commit_unknown, caught.value.attempts) == (False, 1)
    assert db.query(ALL, tuple) == BEFORE
    assert db.stats.unknown == 0


def test_a_lost_connection_that_is_swallowed_is_retried(wire: Relay) -> None:
    attempts = []

    def work(tx: Transaction) -> None:
        attempts.append(tx.attempt)
        tx.execute(ADD)
        if tx.attempt == 1:
            wire.tear()
            with pytest.raises(errors.ConnectionFailed):
                tx.execute(ADD)

    with DistributedDatabase("main") as db:
        db.transaction(work, retry_on_conflict=True)
        assert (attempts, db.stats.unknown) == ([1, 2], 0)
        assert db.query_value(sql("SELECT n FROM items WHERE id = 1")) == 101


def test_a_cancelled_statement_that_is_swallowed(function: None) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        async def work(tx: AsyncTransaction) -> None:
            await tx.execute(ADD)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await tx.query(SLEEP)

        with pytest.raises(errors.TransactionAborted) as caught:
            await db.transaction(work, retry_on_conflict=True)
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        assert await db.query(ALL, tuple) == BEFORE

    played(scene)


def test_a_row_class_that_queries_its_transaction(db: DistributedDatabase) -> None:
    """It would wait for itself."""
    used: list[Transaction] = []

    @dataclass
    class Item:
        id: int
        n: int

        def __post_init__(self) -> None:
            used[-1].query(ALL)

    def query(tx: Transaction) -> object:
        used.append(tx)
        return tx.query(ALL, Item)

    def stream(tx: Transaction) -> object:
        used.append(tx)
        return list(tx.stream(ALL, Item))

    for work in (query, stream):
        with pytest.raises(errors.QueryFailed, match="collect the rows first, then run the next statement"):
            db.transaction(work)
    assert db.transaction(lambda tx: [tx.query(ALL) for _ in tx.query(ALL)]) != []


def test_a_deadline_counts_while_another_statement_is_under_way(db: DistributedDatabase) -> None:
    threads: list[threading.Thread] = []

    def work(tx: Transaction) -> None:
        threads.append(threading.Thread(target=lambda: tx.query(sql("SELECT pg_sleep(1)"))))
        threads[0].start()
        time.sleep(0.1)
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded, match="another one was under way") as caught:
            tx.query(ALL, deadline=0.1)
        assert time.monotonic() - started < 0.9
        assert not caught.value.sent
        threads[0].join()
        tx.execute(ADD)

    db.transaction(work)
    assert db.query_value(sql("SELECT n FROM items WHERE id = 1")) == 101


def test_the_same_with_tasks(function: None) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        async def work(tx: AsyncTransaction) -> None:
            first = asyncio.create_task(tx.query(sql("SELECT pg_sleep(0.5)")))
            await asyncio.sleep(0.05)
            with pytest.raises(errors.DeadlineExceeded, match="another one was under way"):
                await tx.query(ALL, deadline=0.1)
            await first
            await tx.execute(ADD)

        await db.transaction(work)
        assert await db.query_value(sql("SELECT n FROM items WHERE id = 1")) == 101

    played(scene)


def test_connections_of_a_closed_event_loop_are_free_again(function: None) -> None:
    """The task that holds one can never return it."""
    db = AsyncDistributedDatabase("main", max_connections=1)
    inside: list[asyncio.Task[None]] = []

    async def hold(tx: AsyncTransaction) -> None:
        await tx.execute(ADD)
        await asyncio.sleep(1000)

    async def start() -> None:
        inside.append(asyncio.create_task(_transaction(db, hold)))
        await asyncio.sleep(0.2)

    async def query() -> object:
        return await db.query(ALL, tuple, deadline=PROMPTLY)

    for _ in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(start())
        loop.close()
        assert asyncio.run(query()) == BEFORE
        inside.clear()
        gc.collect()  # the dead task, and with it the connection
        assert asyncio.run(query()) == BEFORE, "the permit of the dead task is not counted twice"
    assert db.stats.open - db.stats.idle == 0
    asyncio.run(db.close())


def test_permits_of_several_event_loops() -> None:
    semaphore = FifoSemaphore(2)
    first, second, third = (asyncio.new_event_loop() for _ in range(3))
    kept = first.run_until_complete(semaphore.acquire(0))
    assert kept is not None
    lost = second.run_until_complete(semaphore.acquire(0))
    assert lost is not None
    assert third.run_until_complete(semaphore.acquire(0)) is None
    second.close()
    assert third.run_until_complete(semaphore.acquire(0)) is None, "it looks when the loop changes"
    again = first.run_until_complete(semaphore.acquire(0))
    assert again is not None
    lost.release()
    assert semaphore.try_acquire() is None
    kept.release()
    again.release()
    assert [semaphore.try_acquire() is None for _ in range(3)] == [False, False, True]
    first.close()
    third.close()


def test_a_turn_that_an_interrupt_left_behind() -> None:
    """A KeyboardInterrupt can arrive before a `finally` is entered; the end in that thread still has the turn."""
    turn, taken = Turn(), []
    assert turn.acquire(None)
    with pytest.raises(errors.QueryFailed, match="collect the rows first"):
        turn.acquire(1)
    assert not turn.try_acquire()
    assert turn.seize()
    assert turn.seize()
    turn.release_seized()
    turn.release_seized()
    thread = threading.Thread(target=lambda: taken.append(turn.acquire(0)))
    thread.start()
    thread.join()
    assert taken == [True]
    assert not turn.seize()
    assert not turn.acquire(0.01)
    turn.release_seized()


def test_an_interrupt_after_commit_leaves_the_connection_to_its_next_user(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = db._connected().pool

    def release(session: Session) -> None:
        Pool.release(pool, session)
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "release", release)
    with pytest.raises(KeyboardInterrupt):
        db.transaction(lambda tx: tx.query_value(sql("SELECT 1")))
    monkeypatch.undo()
    (session,) = pool._idle
    assert session.usable
    assert pool.replaced == 0


def test_a_forked_process_leaves_the_socket_of_its_parent(db: DistributedDatabase) -> None:
    """Its copy of the transaction ends in the child, while a thread of the parent has the turn."""

    def work(tx: Transaction) -> int:
        threading.Thread(target=lambda: tx.query(sql("SELECT pg_sleep(0.3)"))).start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            tx._session.abort()
            os._exit(0)
        os.waitpid(child, 0)
        return tx.execute(ADD)

    assert db.transaction(work) == 1
