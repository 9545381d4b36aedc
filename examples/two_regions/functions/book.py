"""Book a room for a guest, in any Region."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from blocks_runtime import Transaction

db = DistributedDatabase("main")


class BookEvent(TypedDict):
    room: str
    guest: str
    hesitate: float
    """Seconds between reading the room and updating it; a delay makes conflicts likely."""


class BookResult(TypedDict):
    guest: str
    """Guest that has the room."""
    attempts: int
    """Number of transactions: one, and one more for every conflict, in either Region."""


def handler(event: BookEvent, context: object) -> BookResult:
    attempts = 0

    def book(tx: Transaction) -> str:
        nonlocal attempts
        attempts = tx.attempt
        room = tx.query_one(sql("SELECT guest FROM rooms WHERE number = {room}", room=event["room"]))
        if room is None:
            raise LookupError(f"room {event['room']} does not exist; the function Rooms lists all rooms")
        if room["guest"]:
            return str(room["guest"])
        if attempts == 1:
            time.sleep(event["hesitate"])
        taken = sql(
            "UPDATE rooms SET guest = {guest} WHERE number = {room}", guest=event["guest"], room=event["room"]
        )
        tx.execute(taken)
        return event["guest"]

    guest = db.transaction(book, retry_on_conflict=True, max_retries=10)
    return {"guest": guest, "attempts": attempts}
