"""A function of the app: it writes and reads with the runtime, as any user's."""

from __future__ import annotations

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")


def handler(event: dict[str, int], context: object) -> int | None:
    """Add an order if the event has an amount, and return the sum of all."""
    if "amount" in event:
        db.execute(sql("INSERT INTO orders (amount) VALUES ({amount})", amount=event["amount"]))
    total: int | None = db.query_value(sql("SELECT sum(amount)::int FROM orders"))
    return total
