"""Read the accounts: the first ids, and the totals for an audit."""

from __future__ import annotations

from typing import TypedDict

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")


class AccountsEvent(TypedDict, total=False):
    limit: int
    """Number of account ids to list (default: 10)."""


class AccountsResult(TypedDict):
    ids: list[str]
    accounts: int
    balance: int
    """Sum of all balances, in cents."""
    overdrawn: int
    """Number of accounts below zero; always 0 unless there is a bug."""


def handler(event: AccountsEvent, context: object) -> AccountsResult:
    ids = db.query(sql("SELECT id FROM accounts ORDER BY id LIMIT {limit}", limit=event.get("limit", 10)))
    totals = db.query_one(
        sql(
            "SELECT count(*) AS accounts, coalesce(sum(balance), 0)::bigint AS balance,"
            " count(*) FILTER (WHERE balance < 0) AS overdrawn FROM accounts"
        )
    )
    assert totals is not None, "an aggregate always returns one row"
    return {
        "ids": [str(row["id"]) for row in ids],
        "accounts": totals["accounts"],
        "balance": totals["balance"],
        "overdrawn": totals["overdrawn"],
    }
