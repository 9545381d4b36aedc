"""The public calls with asyncio, and its own cases: cancellation, concurrency, and a change of the event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors, sql
from blocks_runtime.database.aio.primitives import FifoSemaphore

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from blocks_runtime import AsyncTransaction, TransactionInfo

ONE = sql("SELECT n FROM items WHERE id = 1")
ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")
SLEEP = sql("SELECT pg_sleep(30)")


Scene = Callable[[AsyncDistributedDatabase], Coroutine[Any, Any, None]]


@pytest.fixture
def run(function: None) -> Callable[[Scene], None]:
    """Play a test's scene with the app's database."""

    def play(scene: Scene) -> None:
        async def whole() -> None:
            async with AsyncDistributedDatabase("main") as db:
                await scene(db)

        asyncio.run(whole())

    return play


def test_the_calls(run: Callable[[Scene], None]) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        assert await db.query(ONE) == [{"n": 100}]
        assert await db.query_one(ONE, tuple) == (100,)
        assert await db.execute(ADD) == 1
        assert [row async for row in db.stream(ONE)] == [{"n": 101}]
        assert (await db.explain(ONE, analyze=True)).root.rows == 1
        assert (await db.health()).ok
        await db.warm_up(2)
        assert (db.stats.open, db.stats.idle) == (2, 2)

    run(scene)


def test_transactions(run: Callable[[Scene], None]) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        async def add(tx: AsyncTransaction, amount: int) -> TransactionInfo:
            await tx.execute(sql("UPDATE items SET n = n + {amount} WHERE id = 1", amount=amount))
            return tx.info

        db.simulate_conflict(times=2)
        info = await db.transaction(lambda tx: add(tx, 5), retry_on_conflict=True)
        assert (info.attempts, info.conflicts) == (3, ["40001", "40001"])
        db.simulate_conflict()
        with pytest.raises(errors.SerializationFailure):
            await db.transaction(lambda tx: add(tx, 5))
        decorated = db.transactional(retry_on_conflict=True)(add)
        assert (await decorated(10)).attempts == 1
        async with db.transaction() as tx:
            await add(tx, 100)
        with pytest.raises(LookupError):
            async with db.transaction() as tx:
                await add(tx, 1000)
                raise LookupError
        assert await db.query_one(ONE) == {"n": 215}

    run(scene)


def test_a_plain_function_is_refused_as_callback(run: Callable[[Scene], None]) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        with pytest.raises(TypeError, match="write it with async def"):
            await db.transaction(lambda tx: 1)  # type: ignore[arg-type, return-value]
        assert db.stats.commits == 0

    run(scene)


def test_tasks_share_a_database(run: Callable[[Scene], None]) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        async def add(tx: AsyncTransaction) -> None:
            row = await tx.query_one(ONE)
            assert row is not None
            await tx.execute(sql("UPDATE items SET n = {n} WHERE id = 1", n=row["n"] + 1))

        await asyncio.gather(
            *(db.transaction(add, retry_on_conflict=True, max_retries=100) for _ in range(25))
        )
        assert await db.query_one(ONE) == {"n": 125}
        assert db.stats.open <= 10

    run(scene)


@pytest.mark.parametrize("where", ["statement", "transaction", "stream"])
def test_a_cancelled_task_costs_its_connection_only(run: Callable[[Scene], None], where: str) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        async def inside(tx: AsyncTransaction) -> None:
            await tx.execute(ADD)
            await tx.query(SLEEP)

        async def reading() -> list[object]:
            return [row async for row in db.stream(SLEEP)]

        doing: dict[str, Callable[[], Awaitable[object]]] = {
            "statement": lambda: db.query(SLEEP),
            "transaction": lambda: db.transaction(inside, retry_on_conflict=True),
            "stream": reading,
        }
        task = asyncio.ensure_future(doing[where]())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        assert (db.stats.open, db.stats.idle) == (0, 0)
        assert await db.query_one(ONE) == {"n": 100}

    run(scene)


def test_a_deadline(run: Callable[[Scene], None]) -> None:
    async def scene(db: AsyncDistributedDatabase) -> None:
        with pytest.raises(errors.DeadlineExceeded):
            await db.query(SLEEP, deadline=0.2)
        with pytest.raises(errors.DeadlineExceeded):
            await db.transaction(lambda tx: tx.query(SLEEP), deadline=0.3)
        assert await db.query_one(ONE) == {"n": 100}

    run(scene)


def test_a_stream_left_early(run: Callable[[Scene], None]) -> None:
    many = sql("SELECT n FROM generate_series(1, 1000000) AS n")

    async def scene(db: AsyncDistributedDatabase) -> None:
        async with aclosing(db.stream(many, size=10)) as rows:  # type: ignore[type-var]
            async for row in rows:
                assert row == {"n": 1}
                break
        assert db.stats.open == 0
        assert await db.query_one(ONE) == {"n": 100}

    run(scene)


def test_streams_that_are_open_when_the_loop_ends(function: None, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio closes all generators at once then, ours and the driver's beneath them."""
    kept = []

    async def release(db: AsyncDistributedDatabase) -> None:
        for _ in range(10):
            kept.append(db.stream(sql("SELECT n FROM generate_series(1, 100000) AS n"), size=10))
            assert await anext(kept[-1]) == {"n": 1}

    db = AsyncDistributedDatabase("main")
    for _ in range(3):
        asyncio.run(release(db))
    assert (db.stats.open, db.stats.idle) == (0, 0)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    asyncio.run(db.close())


def test_a_database_can_be_used_after_its_event_loop_ended(function: None) -> None:
    """A Lambda handler that calls `asyncio.run` has a new loop with every invocation, and one connection."""
    db = AsyncDistributedDatabase("main")

    async def handler() -> object:
        return await db.query_one(ONE)

    for _ in range(3):
        assert asyncio.run(handler()) == {"n": 100}
    assert db.stats.connects == 1
    asyncio.run(db.close())


def test_no_objects_wait_for_the_garbage_collector(function: None, recwarn: pytest.WarningsRecorder) -> None:
    with DistributedDatabase("main") as db:
        db.query(ONE)
    gc.collect()
    assert not recwarn.list


def test_the_semaphore_is_fair_and_loses_no_permit() -> None:
    async def scene() -> list[str]:
        semaphore, seen, done = FifoSemaphore(1), [], asyncio.Event()

        async def pass_through(name: str, patience: float) -> None:
            if (permit := await semaphore.acquire(patience)) is not None:
                seen.append(name)
                await done.wait()
                permit.release()
                permit.release()  # no second time
            else:
                seen.append(f"{name} gave up")

        first, second, third, fourth, fifth = (
            asyncio.create_task(pass_through(name, 0.01 if name == "third" else 60))
            for name in ("first", "second", "third", "fourth", "fifth")
        )
        await third
        fourth.cancel()
        done.set()
        await asyncio.gather(first, second, fourth, fifth, return_exceptions=True)
        assert await semaphore.acquire(0)
        return seen

    assert asyncio.run(scene()) == ["first", "third gave up", "second", "fifth"]
