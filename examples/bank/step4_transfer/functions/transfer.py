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
    balance, info = db.transaction(lambda tx: move(tx, event))
    return {
        "payer_balance": balance,
        "transaction_time": round(info.milliseconds, 1),
        "attempts": info.attempts,
    }


def move(tx: Transaction, event: TransferEvent) -> tuple[int, TransactionInfo]:
    """Make the transfer, and return the payer's balance. An exception rolls the transaction back."""
    payer, payee, amount = event["payer_id"], event["payee_id"], event["amount"]
    balance = tx.query_value(
        sql(
            "UPDATE accounts SET balance = balance - {amount} WHERE id = {payer} RETURNING balance",
            amount=amount,
            payer=payer,
        ),
        int,
    )
    if balance is None:
        raise TransferRefused(f"payer {payer} has no account")
    if balance < 0:
        raise TransferRefused(f"payer {payer} has {balance + amount} cents, {amount} are needed")
    credited = tx.execute(
        sql("UPDATE accounts SET balance = balance + {amount} WHERE id = {payee}", amount=amount, payee=payee)
    )
    if credited != 1:
        raise TransferRefused(f"payee {payee} has no account")
    return balance, tx.info
