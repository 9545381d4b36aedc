"""A burst: many buyers of one Region at the same moment, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from blocks_runtime import DatabaseError

from .seats import Purchase, region
from .steps import Steps, observe_commits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .seats import Backend
    from .steps import Step

VISIBLE_WITHIN = 10.0
"""Seconds in which the released seats must arrive in this Region; replication takes about one."""

LONGEST_WAIT = 5.0
"""Seconds that a start may be ahead."""


class BuyerReport(TypedDict):
    """The course of one purchase, as its buyer saw it."""

    buyer: str
    seat: str
    id: str
    outcome: str
    """`sold`, `taken`, `closed` (the round ended), `failed`, or `unknown` (the answer to the commit was lost)."""
    attempts: int
    conflicts: int
    error: str | None
    steps: list[Step]


class BurstReport(TypedDict):
    """The purchases of one Region; `start` is the wall clock at time 0 of the steps, in seconds."""

    region: str
    start: float
    buyers: list[BuyerReport]


@dataclass(frozen=True, slots=True)
class Burst:
    """A burst: seats, their round, the buyers, and the wall clock in seconds at which all begin."""

    seats: Sequence[str]
    round: str
    buyers: Sequence[str]
    start: float


class NotReleased(Exception):
    """The seats have another round in this Region."""


def run(backend: Backend, burst: Burst) -> BurstReport:
    """Run the purchases of this Region and report each; buyer number N gets seat number N, and again from the first.

    Raises:
        NotReleased: another round of the seats has begun, or this one has not arrived here.
        DatabaseError: the back end does not answer.
    """
    observe_commits()
    backend.prepare(len(burst.buyers))
    _wait_until_released(backend, burst)
    ready = threading.Barrier(len(burst.buyers))
    ahead = min(max(0.0, burst.start - time.time()), LONGEST_WAIT)
    start = time.monotonic() + ahead

    def buy(number: int) -> BuyerReport:
        purchase = Purchase(burst.seats[number % len(burst.seats)], burst.buyers[number], burst.round)
        ready.wait()
        time.sleep(max(0.0, start - time.monotonic()))
        return buy_once(backend, purchase, Steps(start))

    with ThreadPoolExecutor(len(burst.buyers)) as threads:
        reports = list(threads.map(buy, range(len(burst.buyers))))
    return {"region": region(), "start": time.time() - (time.monotonic() - start), "buyers": reports}


def buy_once(backend: Backend, purchase: Purchase, steps: Steps) -> BuyerReport:
    """Make a purchase and report it; an error of the back end is an outcome."""
    error: DatabaseError | None = None
    with steps.recording():
        try:
            outcome = backend.buy(purchase, steps)
        except DatabaseError as caught:
            error = caught
            steps.answer_lost()
            outcome = "unknown" if caught.commit_unknown else "failed"
    return {
        "buyer": purchase.buyer,
        "seat": purchase.seat,
        "id": purchase.id,
        "outcome": outcome,
        "attempts": max(steps.attempts, error.attempts if error else 0),
        "conflicts": steps.conflicts,
        "error": None if error is None else f"{type(error).__name__}: {str(error).splitlines()[0]}",
        "steps": steps.all,
    }


def _wait_until_released(backend: Backend, burst: Burst) -> None:
    until = time.monotonic() + VISIBLE_WITHIN
    wanted = set(burst.seats)
    while True:
        rounds = {seat["round"] for seat in backend.seats() if seat["seat"] in wanted}
        if rounds == {burst.round}:
            return
        if time.monotonic() > until:
            raise NotReleased(f"the seats are not in round {burst.round} in {region()}")
        time.sleep(0.05)
