"""One transaction used by several tasks or threads at once, and one database by several event loops."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors, sql

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from blocks_runtime import AsyncTransaction, Row, Sql, Transaction

ONE = sql("SELECT n FROM items WHERE id = 1")
ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")
MANY = sql("SELECT n FROM generate_series(1, 100000) AS n")


def number(n: int) -> Sql:
    return sql("SELECT {n}::int AS n", n=n)


def played(scene: Callable[[AsyncDistributedDatabase], Awaitable[object]]) -> object:
    async def whole() -> object:
        async with AsyncDistributedDatabase("main") as db:
            return await scene(db)

    return asyncio.run(whole())


def test_tasks_share_a_transaction(function: None) -> None:
    """Its connection takes one statement at a time, and each gets its own rows."""

    async def work(tx: AsyncTransaction) -> list[Row | None]:
        return list(await asyncio.gather(*(tx.query_one(number(n)) for n in range(50))))

    assert played(lambda db: db.transaction(work)) == [{"n": n} for n in range(50)]


def test_threads_share_a_transaction(db: DistributedDatabase) -> None:
    def work(tx: Transaction) -> list[Row | None]:
        with ThreadPoolExecutor(8) as pool:
            return [*pool.map(lambda n: tx.query_one(number(n)), range(400))]

    assert db.transaction(work) == [{"n": n} for n in range(400)]


def test_a_statement_that_was_not_awaited_is_not_committed_partly(function: None) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        started: list[asyncio.Task[Any]] = []

        async def work(tx: AsyncTransaction) -> None:
            await tx.execute(ADD)
            started.append(asyncio.create_task(tx.query(sql("SELECT pg_sleep(10)"))))
            started.append(asyncio.create_task(tx.execute(ADD)))
            await asyncio.sleep(0.1)

        with pytest.raises(errors.TransactionAborted, match=r"still under way.*wait for"):
            await db.transaction(work)
        told = await asyncio.gather(*started, return_exceptions=True)
        assert [type(each) for each in told] == [errors.TransactionAborted, errors.TransactionAborted]
        assert await db.query_one(ONE) == {"n": 100}

    played(scene)


def test_a_stream_beside_a_statement(function: None) -> None:
    async def work(tx: AsyncTransaction) -> tuple[object, int]:
        async def count() -> int:
            return len([row async for row in tx.stream(MANY)])

        one, rows = await asyncio.gather(tx.query_one(number(1)), count())
        return one, rows

    assert played(lambda db: db.transaction(work)) == ({"n": 1}, 100000)


def test_after_a_stream_that_was_left_early(db: DistributedDatabase) -> None:
    """DSQL has no cursors to close, so the transaction ends with the stream that was left."""
    tries = []

    def work(tx: Transaction) -> None:
        tries.append(tx.attempt)
        for _ in tx.stream(MANY):
            break
        tx.execute(ADD)

    with pytest.raises(errors.TransactionAborted, match=r"stream was left before its last row.*LIMIT"):
        db.transaction(work, retry_on_conflict=True)
    assert tries == [1], "it would end the same way each time"
    with pytest.raises(errors.TransactionAborted, match="left before its last row"), db.transaction() as tx:
        next(iter(tx.stream(MANY)))
    assert db.query_one(ONE) == {"n": 100}


@pytest.mark.parametrize("kept", [False, True])
def test_a_commit_beside_a_stream_that_is_not_read_to_its_end(function: None, kept: bool) -> None:
    """With threads and with asyncio, though asyncio closes the generator of a stream only after the commit."""

    def work(tx: Transaction) -> object:
        rows = iter(tx.stream(MANY))
        assert next(rows) == {"n": 1}
        return rows if kept else None

    async def task(tx: AsyncTransaction) -> object:
        rows = aiter(tx.stream(MANY))
        assert await anext(rows) == {"n": 1}
        return rows if kept else None

    with DistributedDatabase("main") as db:
        with pytest.raises(errors.TransactionAborted, match="left before its last row"):
            db.transaction(work)
        assert db.query_one(ONE) == {"n": 100}

    async def scene(db: AsyncDistributedDatabase) -> None:
        with pytest.raises(errors.TransactionAborted, match="left before its last row"):
            await db.transaction(task)
        assert await db.query_one(ONE) == {"n": 100}

    played(scene)


def test_two_event_loops_at_once_are_refused(function: None) -> None:
    """A task of one loop cannot wake one of another: it would wait for its turn until it gives up."""
    db = AsyncDistributedDatabase("main", max_connections=1)
    inside, release = threading.Event(), threading.Event()

    async def hold(tx: AsyncTransaction) -> None:
        inside.set()
        while not release.is_set():
            await asyncio.sleep(0.01)

    holder = threading.Thread(target=lambda: asyncio.run(_transaction(db, hold)))
    holder.start()
    try:
        assert inside.wait(20)
        with pytest.raises(errors.ConfigurationError, match=r"another event loop.*database of its own"):
            asyncio.run(_query(db))
    finally:
        release.set()
        holder.join()
    assert asyncio.run(_query(db)) == {"n": 100}, "one after the other, as before"
    asyncio.run(db.close())


@pytest.mark.filterwarnings("ignore::blocks_runtime.warnings.SeparateTransactionWarning")
def test_a_forked_process_does_not_use_its_parents_transaction(db: DistributedDatabase) -> None:
    """It would speak in the middle of the parent's encrypted connection, which the server then closes."""

    def work(tx: Transaction) -> int:
        tx.execute(ADD)
        child = os.fork()
        if child == 0:
            told = 1
            try:
                tx.query(ONE)
            except errors.QueryFailed as error:
                told = 0 if "was forked from" in str(error) and db.query_one(ONE) == {"n": 100} else 2
            finally:
                os._exit(told)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert db.transaction(work) == 0
    assert db.query_one(ONE) == {"n": 101}


async def _query(db: AsyncDistributedDatabase) -> object:
    return await db.query_one(ONE)


async def _transaction(
    db: AsyncDistributedDatabase, work: Callable[[AsyncTransaction], Awaitable[None]]
) -> None:
    await db.transaction(work)
