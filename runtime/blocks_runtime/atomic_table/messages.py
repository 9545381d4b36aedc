"""Rows of a queue: its messages, the index of their ids, and the number of the last one."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from .durations import seconds
from .keys import QUEUE_IDS, QUEUES, Key, own_key

T = TypeVar("T")

LAST = "last"
"""Sort key of the item that has the number of the last message; it comes after all numbers."""

RECEIPTS = 5
"""Receipts of acknowledged messages that are kept for an id: a repeated `ack` is recognized by them."""

RECEIPT_SECONDS = 24 * 3600
"""Seconds for which they are kept after the last message with the id was acknowledged."""

PAGE = 25
"""Messages that are read at once to find one that is not busy."""


@dataclass(frozen=True, slots=True)
class Message(Generic[T]):
    """A message that was received: its id and data, and the receipt to acknowledge it with."""

    id: str
    data: T = field(repr=False)
    receipt: str
    deliveries: int
    """Number of times that it was received, this time included."""
    sk: str
    """Its place in the queue."""
    queue: str | None = field(default=None, compare=False, repr=False)
    """The queue that it is from, with its table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A message as it is stored; `visible_at` is in milliseconds since the epoch, 0 while it waits."""

    id: str
    data: object = field(repr=False)
    visible_at: int = 0
    receipt: str = ""
    deliveries: int = 0

    @classmethod
    def of(cls, stored: object) -> Row:
        """Return the row of an item's data."""
        assert isinstance(stored, dict)
        return cls(**stored)

    @property
    def stored(self) -> dict[str, object]:
        """The data of the item."""
        return {
            "id": self.id,
            "data": self.data,
            "visible_at": self.visible_at,
            "receipt": self.receipt,
            "deliveries": self.deliveries,
        }

    @property
    def busy(self) -> bool:
        """True while a consumer has the message, and its visibility timeout has not passed."""
        return self.visible_at > time.time() * 1000

    def received(self, visibility: float) -> Row:
        """Return the row for a consumer that has `visibility` seconds."""
        until = int((time.time() + seconds("visibility", visibility)) * 1000)
        return replace(self, visible_at=until, receipt=uuid.uuid4().hex, deliveries=self.deliveries + 1)


@dataclass(frozen=True, slots=True)
class Ids:
    """The messages with one id: their places in the queue, and the receipts of those acknowledged last."""

    places: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stored: object) -> Ids:
        """Return those of an item's data."""
        assert isinstance(stored, dict)
        return cls(**stored)

    @property
    def stored(self) -> dict[str, object]:
        """The data of the item."""
        return {"places": self.places, "acknowledged": self.acknowledged}

    @property
    def expires_at(self) -> int | None:
        """Expiry of the item: receipts alone are kept for a time."""
        return None if self.places else int(time.time()) + RECEIPT_SECONDS

    def appended(self, place: str) -> Ids:
        """Return them with one more message."""
        return replace(self, places=[*self.places, place])

    def without(self, place: str, receipt: str) -> Ids:
        """Return them after a message was acknowledged."""
        rest = [each for each in self.places if each != place]
        return Ids(rest, [*self.acknowledged, receipt][-RECEIPTS:])


def row_key(queue: str, number: int) -> Key:
    """Return the key of the message with a number."""
    return own_key(QUEUES, queue, f"{number:019d}")


def last_key(queue: str) -> Key:
    """Return the key of the item with the number of the last message."""
    return own_key(QUEUES, queue, LAST)


def id_key(queue: str, id: str) -> Key:
    """Return the key of the item that lists the messages with an id."""
    return own_key(QUEUE_IDS, queue, id)
