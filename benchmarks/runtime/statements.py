"""Warm connections: a token, a lookup, a transaction, for threads and asyncio, compared with psycopg."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import boto3
import psycopg
from psycopg.rows import dict_row

from benchmarks.harness import Measured, Result, compare, costs
from benchmarks.runtime.benchmark_database import REGION
from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, sql
from blocks_runtime.signing import Credentials, token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.runtime.benchmark_database import BenchmarkDatabase
    from blocks_runtime import Transaction
    from blocks_runtime.database.aio.transaction import AsyncTransaction

BATCH = 20
"""Awaited in a row, so that entering the event loop does not count."""

TURNS, WINDOW = 61, 0.06
"""Many short turns: what disturbs one of a pair is likely to disturb the other."""

THREADS = 8
LOOKUP_BAR = 1.05
"""Largest time of a look-up, as a multiple of psycopg's."""

LOOKUP = "SELECT v FROM lookup WHERE id = %s"
READ, WRITE = "SELECT n FROM counter WHERE id = %s", "UPDATE counter SET n = n + %s WHERE id = 1"


def tokens() -> list[Measured]:
    """Return the cost of a token, with temporary credentials as on Lambda and an existing client."""
    keys = Credentials("ASIAEXAMPLE", "secret" * 6, "IQoJb3JpZ2luX2VjEJr//+=" * 40)
    client = boto3.client(
        "dsql",
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
    )
    host = f"4iabtwnq2j55iez4j4bkykghgm.dsql.{REGION}.on.aws"
    results = compare(
        {
            "ours": lambda: token(host, REGION, "app", keys),
            "boto3, client made": lambda: client.generate_db_connect_auth_token(host, REGION),
        },
        turns=11,
    )
    return costs("token", results, ours="ours", bars={"boto3, client made": 0.25})


def synchronous(database: BenchmarkDatabase) -> list[Measured]:
    """Return a prepared lookup and a transaction of two statements, ours and psycopg's."""
    with (
        DistributedDatabase("main") as db,
        database.connect(autocommit=True, row_factory=dict_row) as raw,
    ):

        def by_hand() -> None:
            with raw.transaction():
                raw.execute(READ, (1,), prepare=True).fetchone()
                raw.execute(WRITE, (1,), prepare=True)

        def ours(tx: Transaction) -> None:
            tx.query_one(sql("SELECT n FROM counter WHERE id = {id}", id=1))
            tx.execute(sql("UPDATE counter SET n = n + {add} WHERE id = 1", add=1))

        lookups = compare(
            {
                "ours": lambda: db.query_one(sql("SELECT v FROM lookup WHERE id = {id}", id=17)),
                "psycopg": lambda: raw.execute(LOOKUP, (17,), prepare=True).fetchone(),
            },
            turns=TURNS,
            window=WINDOW,
        )
        transactions = compare(
            {"ours": lambda: db.transaction(ours), "psycopg": by_hand}, turns=TURNS, window=WINDOW
        )
    return _both("one thread", lookups, transactions)


def asynchronous(database: BenchmarkDatabase) -> list[Measured]:
    """Return the same for asyncio."""
    with asyncio.Runner() as runner:
        db = AsyncDistributedDatabase("main")
        raw = runner.run(
            psycopg.AsyncConnection.connect(**database.parameters(), autocommit=True, row_factory=dict_row)  # type: ignore[arg-type]
        )

        async def lookup() -> None:
            await (await raw.execute(LOOKUP, (17,), prepare=True)).fetchone()

        async def by_hand() -> None:
            async with raw.transaction():
                await (await raw.execute(READ, (1,), prepare=True)).fetchone()
                await raw.execute(WRITE, (1,), prepare=True)

        async def ours(tx: AsyncTransaction) -> None:
            await tx.query_one(sql("SELECT n FROM counter WHERE id = {id}", id=1))
            await tx.execute(sql("UPDATE counter SET n = n + {add} WHERE id = 1", add=1))

        def batch(once: Callable[[], Awaitable[object]]) -> Callable[[], object]:
            async def many() -> None:
                for _ in range(BATCH):
                    await once()

            return lambda: runner.run(many())

        lookups = compare(
            {
                "ours": batch(lambda: db.query_one(sql("SELECT v FROM lookup WHERE id = {id}", id=17))),
                "psycopg": batch(lookup),
            },
            turns=TURNS,
            window=WINDOW,
        )
        transactions = compare(
            {"ours": batch(lambda: db.transaction(ours)), "psycopg": batch(by_hand)},
            turns=TURNS,
            window=WINDOW,
        )
        runner.run(db.close())
        runner.run(raw.close())
    return _both("asyncio", lookups, transactions)


def together(database: BenchmarkDatabase) -> list[Measured]:
    """Return look-ups of several threads at once: one database object, and a connection of psycopg for each thread."""
    with ExitStack() as stack:
        db = stack.enter_context(DistributedDatabase("main", max_connections=THREADS))
        db.warm_up(THREADS)
        raw = [
            stack.enter_context(database.connect(autocommit=True, row_factory=dict_row))
            for _ in range(THREADS)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))

        def ours(_: int) -> None:
            for _ in range(BATCH):
                db.query_one(sql("SELECT v FROM lookup WHERE id = {id}", id=17))

        def by_hand(number: int) -> None:
            for _ in range(BATCH):
                raw[number].execute(LOOKUP, (17,), prepare=True).fetchone()

        def at_once(work: Callable[[int], None]) -> Callable[[], object]:
            return lambda: list(pool.map(work, range(THREADS)))

        results = compare({"ours": at_once(ours), "psycopg": at_once(by_hand)}, turns=TURNS, window=WINDOW)
    return costs(
        f"prepared look-up by key, {THREADS} threads at once",
        results,
        ours="ours",
        bars={"psycopg": LOOKUP_BAR},
    )


def _both(kind: str, lookups: Mapping[str, Result], transactions: Mapping[str, Result]) -> list[Measured]:
    return [
        *costs(f"prepared look-up by key, {kind}", lookups, ours="ours", bars={"psycopg": LOOKUP_BAR}),
        *costs(f"transaction of two statements, {kind}", transactions, ours="ours", bars={"psycopg": 1.10}),
    ]
