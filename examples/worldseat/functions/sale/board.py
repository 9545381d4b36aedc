"""The count of what was sold: seats and ledger of a back end, compared."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .seats import Backend, Sale, Seat


class SoldSeat(TypedDict):
    """A seat with the number of its sales in the ledger."""

    seat: str
    owner: str | None
    round: str
    sold: int


class Board(TypedDict):
    """All seats of a back end, and sums that are computed from the ledger."""

    seats: list[SoldSeat]
    sold: int
    oversold: int
    disagree: list[str]


def board(backend: Backend) -> Board:
    """Return the seats with their sales in the current round of each."""
    seats = backend.seats()
    return compare(seats, backend.sales(sorted({seat["round"] for seat in seats})))


def compare(seats: Sequence[Seat], sales: Sequence[Sale]) -> Board:
    """Return the seats with their sales, and the seats whose row says another thing than the ledger.

    A seat is oversold by each sale after the first. A row disagrees with the ledger if one of them has a sale and the
    other has none, if the owner has no sale, or if there are several.
    """
    buyers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sale in sales:
        buyers[sale["round"], sale["seat"]][sale["buyer"]] += 1
    rows: list[SoldSeat] = []
    disagree = []
    for seat in seats:
        sold = buyers[seat["round"], seat["seat"]]
        expected = {} if seat["owner"] is None else {seat["owner"]: 1}
        if sold != expected:
            disagree.append(seat["seat"])
        rows.append(
            {"seat": seat["seat"], "owner": seat["owner"], "round": seat["round"], "sold": sold.total()}
        )
    return {
        "seats": rows,
        "sold": sum(row["sold"] for row in rows),
        "oversold": sum(max(0, row["sold"] - 1) for row in rows),
        "disagree": disagree,
    }
