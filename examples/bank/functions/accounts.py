"""Look at the accounts: the first few of them, and the totals an auditor asks for. Reads only."""

from __future__ import annotations

from typing import TypedDict

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")


class AccountsEvent(TypedDict, total=False):
    limit: int
    """How many account ids to list; 10 when left out."""


class AccountsResult(TypedDict):
    ids: list[str]
    accounts: int
    balance: int
    """Sum of all balances, in cents."""
    overdrawn: int
    """Accounts below zero; anything but 0 is a fault."""


def handler(event: AccountsEvent, context: object) -> AccountsResult:
    ids = db.query(sql("SELECT id FROM accounts ORDER BY id LIMIT {limit}", limit=event.get("limit", 10)))
    totals = db.query_one(
        sql(
            "SELECT count(*) AS accounts, coalesce(sum(balance), 0)::bigint AS balance,"
            " count(*) FILTER (WHERE balance < 0) AS overdrawn FROM accounts"
        )
    )
    assert totals is not None, "an aggregate always answers one row"
    return {
        "ids": [str(row["id"]) for row in ids],
        "accounts": totals["accounts"],
        "balance": totals["balance"],
        "overdrawn": totals["overdrawn"],
    }
