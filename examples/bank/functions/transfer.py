"""Move money from one account to another in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from blocks_runtime import Sql, Transaction

db = DistributedDatabase("main")

# On a hot account every second attempt may fail with a conflict; the pauses between attempts grow and are random.
MAX_RETRIES = 25
PATIENCE = 20.0
"""Seconds after which there are no further attempts, well before Lambda's timeout."""


class TransferEvent(TypedDict):
    payer_id: str
    payee_id: str
    amount: int
    """In cents, greater than zero."""


class TransferResult(TypedDict):
    payer_balance: int
    """In cents, after the transfer."""
    transaction_time: float
    """Milliseconds from the first BEGIN to the successful COMMIT, including retries."""
    attempts: int
    """Number of transactions: one, and one more for every conflict."""


class TransferRefused(Exception):
    """The transfer cannot be made; nothing was changed."""


def handler(event: TransferEvent, context: object) -> TransferResult:
    payer, payee, amount = account(event["payer_id"]), account(event["payee_id"]), event["amount"]
    if amount <= 0:
        raise TransferRefused(f"amount is {amount} cents; it must be greater than zero")
    if payer == payee:
        raise TransferRefused(f"payer and payee are the same account {payer}; they must differ")
    attempts = 0

    def transfer(tx: Transaction) -> int:
        nonlocal attempts
        attempts = tx.attempt
        return move(tx, payer, payee, amount)

    started = time.perf_counter()
    balance = db.transaction(transfer, retry_on_conflict=True, max_retries=MAX_RETRIES, deadline=PATIENCE)
    elapsed = (time.perf_counter() - started) * 1000
    return {"payer_balance": balance, "transaction_time": round(elapsed, 3), "attempts": attempts}


def account(number: str) -> UUID:
    """Parse an account number of an event."""
    try:
        return UUID(number)
    except ValueError:
        raise TransferRefused(f"{number!r} is no account number; give a UUID") from None


def move(tx: Transaction, payer: UUID, payee: UUID, amount: int) -> int:
    """Make the transfer and return the payer's balance; an exception rolls the transaction back."""
    paying = tx.query_one(sql("SELECT balance FROM accounts WHERE id = {payer}", payer=payer))
    if paying is None:
        raise TransferRefused(f"payer {payer} has no account; open one first")
    if paying["balance"] < amount:
        raise TransferRefused(f"payer {payer} has {paying['balance']} cents, {amount} are needed; send less")
    tx.execute(
        sql("UPDATE accounts SET balance = balance - {amount} WHERE id = {payer}", amount=amount, payer=payer)
    )
    credited = tx.execute(
        sql("UPDATE accounts SET balance = balance + {amount} WHERE id = {payee}", amount=amount, payee=payee)
    )
    if credited == 0:
        raise TransferRefused(f"payee {payee} has no account; ask for the right number")
    return int(paying["balance"]) - amount


def add(account: UUID, amount: int) -> Sql:
    """Return the statement that changes one balance by `amount` cents."""
    return sql("UPDATE accounts SET balance = balance + {amount} WHERE id = {id}", amount=amount, id=account)
