"""Back end `dsql`: naive code in a transaction of Aurora DSQL, with the runtime's retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime import DistributedDatabase, sql

from .seats import DEADLINE, MAX_RETRIES, READ_DEADLINE, region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_runtime import Transaction

    from .seats import Purchase, Sale, Seat
    from .steps import Steps

MOST_BUYERS = 60
db = DistributedDatabase("main", max_connections=MOST_BUYERS)


class Dsql:
    """Seats and ledger are tables of the database; each Region uses its own endpoint."""

    statement = "SELECT id, round, seat_id, buyer, region, attempts, sold_at FROM ledger WHERE round = ANY(…)"

    def prepare(self, buyers: int) -> None:
        """Open a connection for each buyer."""
        db.query_value(sql("SELECT 1"), int, deadline=READ_DEADLINE)
        db.warm_up(buyers)

    def buy(self, purchase: Purchase, steps: Steps) -> str:
        """Read the seat; if it is free, update it without a condition and append to the ledger."""

        def sell(tx: Transaction) -> str:
            steps.attempt(tx.attempt)
            with steps.step("read"):
                seat = tx.query_exactly_one(
                    sql("SELECT round::text, owner FROM seats WHERE seat_id = {seat}", seat=purchase.seat)
                )
            if purchase.round not in (None, seat["round"]):
                return "closed"
            if seat["owner"] is not None:
                return "taken"
            with steps.step("write"):
                tx.execute(
                    sql(
                        "UPDATE seats SET owner = {buyer} WHERE seat_id = {seat}",
                        buyer=purchase.buyer,
                        seat=purchase.seat,
                    )
                )
                tx.execute(
                    sql(
                        "INSERT INTO ledger (id, round, seat_id, buyer, region, attempts) VALUES"
                        " ({id}, {round}, {seat}, {buyer}, {region}, {attempts})",
                        id=purchase.id,
                        round=seat["round"],
                        seat=purchase.seat,
                        buyer=purchase.buyer,
                        region=region(),
                        attempts=tx.attempt,
                    )
                )
            return "sold"

        return db.transaction(sell, retry_on_conflict=True, max_retries=MAX_RETRIES, deadline=DEADLINE)

    def seats(self) -> list[Seat]:
        """Return all seats."""
        return db.query(sql("SELECT seat_id AS seat, round::text, owner FROM seats"), deadline=READ_DEADLINE)  # type: ignore[return-value]

    def sales(self, rounds: Sequence[str]) -> list[Sale]:
        """Return the sales of some rounds."""
        return db.query(  # type: ignore[return-value]
            sql(
                "SELECT id::text, round::text, seat_id AS seat, buyer, region, attempts, sold_at::text AS at"
                " FROM ledger WHERE round = ANY({rounds}::uuid[]) ORDER BY sold_at, id",
                rounds=list(rounds),
            ),
            deadline=READ_DEADLINE,
        )

    def release(self, seats: Sequence[str], round: str) -> None:
        """Make seats free, in a new round."""
        db.execute(
            sql(
                "UPDATE seats SET owner = NULL, round = {round} WHERE seat_id = ANY({seats})",
                round=round,
                seats=list(seats),
            ),
            deadline=READ_DEADLINE,
        )
