"""Back ends on DynamoDB: one function that sells, with and without a transaction, on two kinds of tables."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from blocks_runtime import AtomicTable, Item

from .seats import DEADLINE, FIRST_ROUND, MAX_RETRIES, READ_DEADLINE, SEATS, region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_runtime import TableTransaction

    from .seats import Purchase, Sale, Seat
    from .steps import Steps


class _Items(Protocol):
    """A table, or a transaction of it."""

    def get(self, key: tuple[str, str], /) -> Item[Any] | None: ...

    def set(self, items: Item[Any], /) -> None: ...


class TableSale:
    """Seats and ledger are items of a table."""

    def __init__(self, table: AtomicTable, *, prefix: str, in_transaction: bool) -> None:
        """Store the options.

        Args:
            table: the table, in the Region that its variables name.
            prefix: beginning of the partition keys, which keeps two back ends in one table apart.
            in_transaction: whether the reads and writes of a purchase are one transaction.
        """
        self._table = table
        self._prefix = prefix
        self._in_transaction = in_transaction
        self.statement = f"Query pk = '{prefix}#ledger#<round>'"

    def prepare(self, buyers: int) -> None:
        """Open a connection; the table has no session for each buyer."""
        del buyers
        self._table.get((f"{self._prefix}#seats", SEATS[0]), deadline=READ_DEADLINE)

    def buy(self, purchase: Purchase, steps: Steps) -> str:
        """Read the seat; if it is free, write it without a condition and append to the ledger."""
        if not self._in_transaction:
            steps.attempt(1)
            return self._sell(self._table, purchase, steps)

        def sell(tx: TableTransaction) -> str:
            if tx.attempt > 1:
                steps.ended("conflict")
            steps.attempt(tx.attempt)
            return self._sell(tx, purchase, steps)

        outcome = self._table.transaction(
            sell, retry_on_conflict=True, max_retries=MAX_RETRIES, deadline=DEADLINE
        )
        steps.ended("commit")
        return outcome

    def _sell(self, items: _Items, purchase: Purchase, steps: Steps) -> str:
        key = (f"{self._prefix}#seats", purchase.seat)
        with steps.step("read"):
            item = items.get(key)
        seat: dict[str, Any] = {"round": FIRST_ROUND, "owner": None} if item is None else item.data
        if purchase.round not in (None, seat["round"]):
            return "closed"
        if seat["owner"] is not None:
            return "taken"
        sale = {
            "buyer": purchase.buyer,
            "region": region(),
            "attempts": steps.attempts,
            "at": time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime()),
        }
        with steps.step("write"):
            items.set(Item(*key, {**seat, "owner": purchase.buyer}))
            items.set(Item(self._ledger(seat["round"]), f"{purchase.seat}#{purchase.id}", sale))
        return "sold"

    def seats(self) -> list[Seat]:
        """Return all seats; one that was never written is free."""
        found = self._table.query(f"{self._prefix}#seats", deadline=READ_DEADLINE)
        stored = {item.sk: item.data for item in found}
        free = {"round": FIRST_ROUND, "owner": None}
        return [cast("Seat", {"seat": seat, **stored.get(seat, free)}) for seat in SEATS]

    def sales(self, rounds: Sequence[str]) -> list[Sale]:
        """Return the sales of some rounds."""
        found: list[Sale] = []
        for round in rounds:
            for item in self._table.query(self._ledger(round), deadline=READ_DEADLINE):
                seat, _, id = item.sk.partition("#")
                found.append(cast("Sale", {"id": id, "round": round, "seat": seat, **item.data}))
        return found

    def release(self, seats: Sequence[str], round: str) -> None:
        """Make seats free, in a new round."""
        free = {"round": round, "owner": None}
        self._table.set([Item(f"{self._prefix}#seats", seat, free) for seat in seats], deadline=READ_DEADLINE)

    def _ledger(self, round: str) -> str:
        return f"{self._prefix}#ledger#{round}"
