"""Return the balance of an account."""

from __future__ import annotations

from typing import TypedDict

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")


class BalanceEvent(TypedDict):
    id: int


class BalanceResult(TypedDict):
    balance: int
    """In cents."""


def handler(event: BalanceEvent, context: object) -> BalanceResult:
    row = db.query_exactly_one(sql("SELECT balance FROM accounts WHERE id = {id}", id=event["id"]))
    return {"balance": row["balance"]}
