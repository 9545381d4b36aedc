"""`AsyncAtomicTable` on both stores; the source of the thread variant, which the other tests cover."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AsyncAtomicTable, AsyncTableTransaction, Item
from blocks_runtime.errors import LeaseHeld

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb import LocalDynamo
    from tests.blocks_runtime.atomic_table.conftest import Scene


async def add(tx: AsyncTableTransaction) -> int:
    item = await tx.get(("c", "1"))
    number = 1 if item is None else item.data + 1
    tx.set(Item("c", "1", number))
    return int(number)


def test_the_calls(run: Callable[[Scene], None]) -> None:
    async def scene(table: AsyncAtomicTable) -> None:
        await table.set([Item("p", str(n), n) for n in range(3)])
        found = await table.get(("p", "1"))
        assert found is not None
        assert found.data == 1
        assert [item.sk async for item in table.stream("p", reverse=True)] == ["2", "1", "0"]
        lock = await table.get_lock(("p", "1"))
        await table.set_atomic(found.with_data(5), lock)
        async with table.transaction() as tx:
            tx.delete(("p", "0"))
        assert [item.data for item in await table.query("p")] == [5, 2]

    run(scene)


def test_tasks_lose_no_increment(run: Callable[[Scene], None]) -> None:
    async def scene(table: AsyncAtomicTable) -> None:
        await asyncio.gather(*(table.transaction(add, True, 1000) for _ in range(20)))
        item = await table.get(("c", "1"))
        assert item is not None
        assert item.data == 20

    run(scene)


def test_leases_queues_and_counters(run: Callable[[Scene], None]) -> None:
    async def scene(table: AsyncAtomicTable) -> None:
        async with table.lease("job") as lease:
            assert lease.token
            await table.set_atomic(Item("p", "1", "fenced"), lease)
            async with table.transaction() as tx:
                tx.require(lease, await table.get_lock(("p", "1")))
                tx.set(Item("p", "2", "fenced"))
            await table.delete([("p", "1"), ("p", "2")])
            with pytest.raises(LeaseHeld):
                await table.lease("job").acquire()
        queue, counter = table.queue("mail"), table.counter("hits", shards=2)
        await queue.push("a", 1)
        message = await queue.pull()
        assert message is not None
        await queue.ack(message)
        await asyncio.gather(*(counter.add() for _ in range(5)))
        assert await counter.value() == 5

    run(scene)


def test_a_plain_function_is_refused(run: Callable[[Scene], None]) -> None:
    async def scene(table: AsyncAtomicTable) -> None:
        with pytest.raises(TypeError, match="async def"):
            await table.transaction(lambda tx: 1)  # type: ignore[arg-type, return-value]

    run(scene)


def test_a_cancelled_task_costs_its_connection_only(dynamodb_table: object, dynamo: LocalDynamo) -> None:
    async def scene() -> None:
        async with AsyncAtomicTable("locks") as table:
            await table.set(Item("c", "1", 0))
            tasks = [asyncio.ensure_future(table.transaction(add, True, 1000)) for _ in range(20)]
            await asyncio.sleep(0.01)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            item = await table.get(("c", "1"))
            assert item is not None
            finished = sum(isinstance(each, int) for each in done)
            assert finished <= item.data <= 20

    asyncio.run(scene())


def test_a_table_outlives_its_event_loop(dynamodb_table: object) -> None:
    table = AsyncAtomicTable("locks")
    for number in range(3):
        asyncio.run(table.set(Item("loop", "1", number)))
    asyncio.run(table.close())
