"""The open transactions of this thread or task, so that a statement outside of them gives a warning."""

from __future__ import annotations

from contextvars import ContextVar

from ..warnings import SeparateTransactionWarning, place, warn


class OpenTransaction:
    """A transaction of the database `name` that began at `place`, inside `outer` if there is one."""

    __slots__ = ("name", "outer", "over", "place")

    def __init__(self, name: str, outer: OpenTransaction | None) -> None:
        self.name = name
        self.outer = outer
        self.place = place()
        self.over = False

    def end(self) -> None:
        """Mark the transaction as ended; tasks that it started keep the mark."""
        self.over = True
        if innermost.get() is self:
            innermost.set(self.outer)


innermost: ContextVar[OpenTransaction | None] = ContextVar("innermost", default=None)
"""The transaction whose function or block runs in this thread or task, or in the task that started this one."""


def begin(name: str) -> OpenTransaction:
    """Record a new transaction as the innermost one."""
    transaction = OpenTransaction(name, innermost.get())
    innermost.set(transaction)
    return transaction


def warn_of_statement(name: str) -> None:
    """Warn if a statement that is about to run on the database `name` is inside a transaction of it."""
    if (transaction := _open(name)) is not None:
        warn(
            f"a statement on the database {name!r} at {place()} does not belong to the transaction that began at "
            f"{transaction.place}: it uses another connection and snapshot, and is not rolled back with it; "
            "run it on the transaction, as in tx.query(…), or before or after it",
            SeparateTransactionWarning,
        )


def warn_of_transaction(name: str) -> None:
    """Warn if a transaction that is about to begin is inside another one of the database `name`."""
    if (transaction := _open(name)) is not None:
        warn(
            f"a transaction of the database {name!r} at {place()} begins inside the one that began at "
            f"{transaction.place}: the two commit separately, and conflict if they change the same row; DSQL has no "
            "savepoints, so pass the open transaction on, or begin the second one afterwards",
            SeparateTransactionWarning,
        )


def _open(name: str) -> OpenTransaction | None:
    transaction = innermost.get()
    while transaction is not None and (transaction.over or transaction.name != name):
        transaction = transaction.outer
    return transaction
