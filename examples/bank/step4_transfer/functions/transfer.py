"""Move money from one account to another in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from blocks_runtime import Transaction, TransactionInfo

# At module level: Lambda runs the module once for each sandbox, so all its invocations use one connection.
db = DistributedDatabase("main")


class TransferEvent(TypedDict):
    payer_id: int
    payee_id: int
    amount: int
    """In cents, greater than zero."""


class TransferResult(TypedDict):
    payer_balance: int
    """In cents, after the transfer."""
    transaction_time: float
    """Milliseconds from BEGIN to the reply to COMMIT."""
    attempts: int
    """Number of transactions that were begun."""


class TransferRefused(Exception):
    """The transfer cannot be made; nothing was changed."""


def handler(event: TransferEvent, context: object) -> TransferResult:
    if event["amount"] <= 0:
        raise TransferRefused(f"amount is {event['amount']} cents; it must be greater than zero")
    if event["payer_id"] == event["payee_id"]:
        raise TransferRefused(f"payer and payee are the same account {event['payer_id']}; they must differ")
    balance, info = db.transaction(lambda tx: move(tx, event))
    return {
        "payer_balance": balance,
        "transaction_time": round(info.milliseconds, 1),
        "attempts": info.attempts,
    }


def move(tx: Transaction, event: TransferEvent) -> tuple[int, TransactionInfo]:
    """Make the transfer, and return the payer's balance. An exception rolls the transaction back."""
    payer, payee, amount = event["payer_id"], event["payee_id"], event["amount"]
    changed = both_balances(tx, event)
    if payer not in changed:
        raise TransferRefused(f"payer {payer} has no account")
    if changed[payer] < 0:
        raise TransferRefused(f"payer {payer} has {changed[payer] + amount} cents, {amount} are needed")
    if payee not in changed:
        raise TransferRefused(f"payee {payee} has no account")
    return changed[payer], tx.info


def both_balances(tx: Transaction, event: TransferEvent) -> dict[int, int]:
    """Change both balances with one statement, and return those of the accounts that exist, by id."""
    rows = tx.query(
        sql(
            "UPDATE accounts SET balance = balance + CASE id WHEN {payer} THEN -{amount} ELSE {amount} END "
            "WHERE id IN ({payer}, {payee}) RETURNING id, balance",
            payer=event["payer_id"],
            payee=event["payee_id"],
            amount=event["amount"],
        ),
        tuple,
    )
    return dict(rows)
