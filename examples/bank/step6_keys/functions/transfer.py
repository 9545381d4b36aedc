"""Move money from one account to another in one transaction, which is run again after a conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict
from uuid import UUID

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from blocks_runtime import Transaction, TransactionInfo

db = DistributedDatabase("main")

MAX_RETRIES = 100
"""With ten accounts for all transfers, some need many attempts. The waits between them grow, and are random."""

PATIENCE = 25.0
"""Seconds after which no further attempt begins, before the timeout of the function."""


class TransferEvent(TypedDict):
    payer_id: str
    """A UUID."""
    payee_id: str
    amount: int
    """In cents, greater than zero."""
    retry: NotRequired[bool]
    """False: raise a conflict instead of running the transaction again (default: True)."""


class TransferResult(TypedDict):
    payer_balance: int
    """In cents, after the transfer."""
    transaction_time: float
    """Milliseconds from the first BEGIN to the reply to the last COMMIT."""
    attempts: int
    """Number of transactions that were begun: one, and one more for each conflict."""


class TransferRefused(Exception):
    """The transfer cannot be made; nothing was changed."""


def handler(event: TransferEvent, context: object) -> TransferResult:
    if event["amount"] <= 0:
        raise TransferRefused(f"amount is {event['amount']} cents; it must be greater than zero")
    if event["payer_id"] == event["payee_id"]:
        raise TransferRefused(f"payer and payee are the same account {event['payer_id']}; they must differ")
    balance, info = db.transaction(
        lambda tx: move(tx, event),
        retry_on_conflict=event.get("retry", True),
        max_retries=MAX_RETRIES,
        deadline=PATIENCE,
    )
    return {
        "payer_balance": balance,
        "transaction_time": round(info.milliseconds, 1),
        "attempts": info.attempts,
    }


def move(tx: Transaction, event: TransferEvent) -> tuple[int, TransactionInfo]:
    """Make the transfer and record it, and return the payer's balance. An exception rolls the transaction back."""
    payer, payee, amount = UUID(event["payer_id"]), UUID(event["payee_id"]), event["amount"]
    changed = both_balances(tx, payer, payee, amount)
    if payer not in changed:
        raise TransferRefused(f"payer {payer} has no account")
    if changed[payer] < 0:
        raise TransferRefused(f"payer {payer} has {changed[payer] + amount} cents, {amount} are needed")
    if payee not in changed:
        raise TransferRefused(f"payee {payee} has no account")
    tx.execute(
        sql(
            "INSERT INTO transactions2 (payer_id, payee_id, amount) VALUES ({payer}, {payee}, {amount})",
            payer=payer,
            payee=payee,
            amount=amount,
        )
    )
    return changed[payer], tx.info


def both_balances(tx: Transaction, payer: UUID, payee: UUID, amount: int) -> dict[UUID, int]:
    """Change both balances with one statement, and return those of the accounts that exist, by id."""
    rows = tx.query(
        sql(
            "UPDATE accounts2 SET balance = balance + CASE id WHEN {payer} THEN -{amount} ELSE {amount} END "
            "WHERE id IN ({payer}, {payee}) RETURNING id, balance",
            payer=payer,
            payee=payee,
            amount=amount,
        ),
        tuple,
    )
    return dict(rows)
