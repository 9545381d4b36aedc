"""The record of waits: what holds the front to its word that nobody waits for a transaction."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_dsql.occ.participant import Participant

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Wait:
    """A statement that had to wait until others were out of its way: whose, for whom, from when to when.

    Times are those of `time.monotonic`: from sending the statement to the last one's being parked, or committed.
    """

    waiter: str
    holders: tuple[str, ...]
    began: float
    ended: float


class Waits:
    """The last thousand waits, oldest first."""

    def __init__(self) -> None:
        self.kept: deque[Wait] = deque(maxlen=_KEPT)

    def note(self, waiter: Participant, holders: dict[str, None], began: float, ended: float) -> None:
        """Note a wait, if there was anybody to wait for."""
        if holders:
            self.kept.append(Wait(waiter.label, tuple(holders), began, ended))
