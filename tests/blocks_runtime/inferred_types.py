"""Types that type checkers infer for the public calls: read by mypy (`make lint`) and pyright (`test_types`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, assert_type

from blocks_runtime import (
    AsyncAtomicTable,
    AsyncDistributedDatabase,
    AsyncTransaction,
    AtomicTable,
    DistributedDatabase,
    Item,
    Loaded,
    Lock,
    Message,
    Plan,
    Sql,
    Transaction,
    sql,
    to_json,
)
from blocks_runtime.errors import DatabaseError, SerializationFailure


@dataclass
class Account:
    id: int
    owner: str


class Pair(NamedTuple):
    id: int
    owner: str


class Record(TypedDict):
    id: int
    owner: str


STATEMENT = sql("SELECT id, owner FROM {table:i} WHERE id = {id}", table="accounts", id=1)
assert_type(STATEMENT, Sql)
assert_type(sql.identifier("app", "accounts"), Sql)
assert_type(sql.join(", ", [1, STATEMENT]), Sql)


def threads(db: DistributedDatabase) -> None:
    assert_type(db.query(STATEMENT), list[dict[str, Any]])
    assert_type(db.query(STATEMENT, Account), list[Account])
    assert_type(db.query(STATEMENT, Pair), list[Pair])
    assert_type(db.query(STATEMENT, Record), list[Record])
    assert_type(db.query(STATEMENT, tuple[int, str]), list[tuple[int, str]])
    assert_type(db.query(STATEMENT, dict[str, object]), list[dict[str, object]])
    assert_type(db.query_one(STATEMENT), dict[str, Any] | None)
    assert_type(db.query_one(STATEMENT, Account), Account | None)
    assert_type(db.query_exactly_one(STATEMENT), dict[str, Any])
    assert_type(db.query_exactly_one(STATEMENT, Account), Account)
    assert_type(db.query_value(STATEMENT), Any)
    assert_type(db.query_value(STATEMENT, int), int | None)
    assert_type(to_json(db.query(STATEMENT)), str)
    assert_type(db.execute(STATEMENT), int)
    assert_type(db.stream(STATEMENT), Iterator[dict[str, Any]])
    assert_type(db.stream(STATEMENT, Account), Iterator[Account])
    assert_type(db.insert_many("accounts", [Account(1, "ann")]), int)
    assert_type(db.load("accounts", ({"id": n} for n in range(9)), key="id"), Loaded)
    assert_type(db.explain(STATEMENT, analyze=True), Plan)


def transactions(db: DistributedDatabase) -> None:
    def transfer(tx: Transaction) -> int:
        assert_type(tx.query_one(STATEMENT, Account), Account | None)
        return tx.attempt

    assert_type(db.transaction(transfer, retry_on_conflict=True), int)
    assert_type(db.transaction(lambda tx: tx.query(STATEMENT, Pair)), list[Pair])
    with db.transaction() as tx:
        assert_type(tx, Transaction)

    @db.transactional(retry_on_conflict=True)
    def pay(tx: Transaction, payer: int, amount: float) -> str:
        return f"{tx.attempt} {payer} {amount}"

    assert_type(pay(1, amount=2.5), str)


async def tasks(db: AsyncDistributedDatabase) -> None:
    assert_type(await db.query(STATEMENT), list[dict[str, Any]])
    assert_type(await db.query_one(STATEMENT, Account), Account | None)
    assert_type(await db.query_exactly_one(STATEMENT, Account), Account)
    assert_type(await db.query_value(STATEMENT, int), int | None)
    assert_type(await db.execute(STATEMENT), int)
    assert_type(db.stream(STATEMENT, Account), AsyncIterator[Account])

    async def transfer(tx: AsyncTransaction) -> int:
        assert_type(await tx.query_one(STATEMENT, Account), Account | None)
        return tx.attempt

    assert_type(await db.transaction(transfer, retry_on_conflict=True), int)
    async with db.transaction() as tx:
        assert_type(tx, AsyncTransaction)


def failures(error: DatabaseError) -> None:
    assert_type(error.sqlstate, str | None)
    assert_type(error.retryable, bool)
    assert_type(error.attempts, int)
    if isinstance(error, SerializationFailure):
        assert_type(error, SerializationFailure)


def tables(table: AtomicTable) -> None:
    assert_type(table.get(("a", "b")), Item[Any] | None)
    assert_type(table.get(("a", "b"), Account), Item[Account] | None)
    assert_type(table.get_many([("a", "b")], Record), list[Item[Record] | None])
    assert_type(table.query("a", data_type=Account), list[Item[Account]])
    assert_type(table.stream("a"), Iterator[Item[Any]])
    assert_type(table.get_lock(("a", "b")), Lock)
    assert_type(table.set_atomic([Item("a", "b", 1)], table.get_lock(("a", "b"))), list[Lock])
    assert_type(table.transaction(lambda tx: 1, retry_on_conflict=True, once="id"), int)
    assert_type(Item("a", "b", 1).with_data("text"), Item[str])
    assert_type(table.queue("q").pull(int), Message[int] | None)


async def tables_of_tasks(table: AsyncAtomicTable) -> None:
    assert_type(await table.get(("a", "b"), Account), Item[Account] | None)
    assert_type(table.stream("a", data_type=Account), AsyncIterator[Item[Account]])
    async with table.lease("job") as lease:
        assert_type(lease.token, int)
