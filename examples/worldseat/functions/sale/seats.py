"""Seats, purchases and sales, the same for all back ends."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .steps import Steps

ROWS, SEATS_IN_A_ROW = "ABCDEFGH", 12
SEATS = tuple(f"{row}{number}" for row in ROWS for number in range(1, SEATS_IN_A_ROW + 1))
"""Ids of the 96 seats, in the order of the plan."""

FIRST_ROUND = str(uuid.UUID(int=0))
"""Round of a seat that was never released."""

MAX_RETRIES = 25
"""Retries of a purchase after a conflict, on every back end that has conflicts."""

DEADLINE = 60.0
"""Seconds for a purchase, retries included; a laptop with other work to do needs them for 60 buyers."""

READ_DEADLINE = float(os.environ.get("WORLDSEAT_READ_SECONDS", "3"))
"""Seconds for a read; a Region that does not answer is reported after it."""


def region() -> str:
    """Return the Region that this function runs in."""
    return os.environ.get("AWS_REGION", "us-east-1")


@dataclass(frozen=True, slots=True)
class Purchase:
    """A buyer's attempt to buy a seat; `round` is the round that the buyer was offered, None for any."""

    seat: str
    buyer: str
    round: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """Id of the row in the ledger, made before the transaction: a sale whose answer was lost is found by it."""


class Seat(TypedDict):
    """A row of the seats table."""

    seat: str
    round: str
    owner: str | None


class Sale(TypedDict):
    """A row of the ledger."""

    id: str
    round: str
    seat: str
    buyer: str
    region: str
    attempts: int
    at: str


class Backend(Protocol):
    """A place where seats are sold."""

    statement: str
    """The query behind `sales`, as the page shows it."""

    def prepare(self, buyers: int) -> None:
        """Open the connections for that many buyers."""

    def buy(self, purchase: Purchase, steps: Steps) -> str:
        """Buy a seat: read it, and if it is free, write it and the ledger. Return `sold`, `taken` or `closed`."""

    def seats(self) -> list[Seat]:
        """Return all seats."""

    def sales(self, rounds: Sequence[str]) -> list[Sale]:
        """Return the sales of some rounds."""

    def release(self, seats: Sequence[str], round: str) -> None:
        """Make seats free, in a new round."""
