"""Return the last transfers, and whether the balances are the sum of all transfers."""

from __future__ import annotations

from typing import Any, TypedDict

from blocks_runtime import DistributedDatabase, jsonable, sql

db = DistributedDatabase("main")

OPENED_WITH = 10_000
"""Cents of an account before its first transfer, as in 002_open_accounts.sql."""


class HistoryEvent(TypedDict, total=False):
    limit: int
    """Number of transfers to return (default: 3)."""


class HistoryResult(TypedDict):
    last: list[dict[str, Any]]
    transactions: int
    wrong_accounts: int
    """Accounts whose balance is not what their transfers add up to; always 0 unless there is a bug."""


def handler(event: HistoryEvent, context: object) -> HistoryResult:
    last = db.query(
        sql(
            "SELECT payer_id, payee_id, amount, made_at FROM transactions "
            "ORDER BY made_at DESC LIMIT {limit}",
            limit=event.get("limit", 3),
        )
    )
    totals = db.query_exactly_one(
        sql(
            "WITH moved AS ("
            "  SELECT payer_id AS id, -amount AS cents FROM transactions"
            "  UNION ALL SELECT payee_id, amount FROM transactions"
            "), expected AS (SELECT id, sum(cents) AS cents FROM moved GROUP BY id) "
            "SELECT (SELECT count(*) FROM transactions) AS transactions, count(*) AS wrong_accounts "
            "FROM accounts LEFT JOIN expected USING (id) "
            "WHERE balance <> {opened} + coalesce(cents, 0)",
            opened=OPENED_WITH,
        )
    )
    return {"last": jsonable(last), **totals}  # type: ignore[typeddict-item]
