"""Changes on their way to other Regions, in SQLite: a request and its outgoing changes are one transaction.

Their numbers are in the order of the writes. Of two writes of an item the one with the greater number wins.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from local_dynamodb.engine.attributes import Item

SCHEMA = """
CREATE TABLE IF NOT EXISTS arrivals (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, region TEXT, name TEXT, pk BLOB, sk BLOB, item TEXT
);
CREATE INDEX IF NOT EXISTS arrivals_in_order ON arrivals (region, at, number);
CREATE INDEX IF NOT EXISTS arrivals_of_item ON arrivals (region, name, pk, sk);
"""

_NEWEST = 2**63 - 1
"""Greatest number that SQLite may assign."""


@dataclass(frozen=True, slots=True)
class Place:
    """An item of a table in one Region."""

    region: str
    name: str
    key: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A change on its way to an item; `after` is None if the item was deleted."""

    number: int
    to: Place
    after: Item | None


class Arrivals:
    """Reads and writes arrivals; the caller has the SQLite transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(SCHEMA)

    def send(self, to: Place, after: Item | None, at: float) -> None:
        """Send a change to an item; it arrives at `at`, in seconds since the epoch."""
        item = None if after is None else json.dumps(after, separators=(",", ":"))
        query = "INSERT INTO arrivals (at, region, name, pk, sk, item) VALUES (?, ?, ?, ?, ?, ?)"
        self._connection.execute(query, (at, to.region, to.name, *to.key, item))

    def supersede(self, place: Place, up_to_number: int = _NEWEST) -> None:
        """Delete the arrivals at an item that are older than a write of it: those up to a number, or all."""
        query = "DELETE FROM arrivals WHERE region = ? AND name = ? AND pk = ? AND sk = ? AND number <= ?"
        self._connection.execute(query, (place.region, place.name, *place.key, up_to_number))

    def copy(self, name: str, source: str, region: str) -> None:
        """Send what is on its way to a table in one Region to another Region, too."""
        query = (
            "INSERT INTO arrivals (at, region, name, pk, sk, item) "
            "SELECT at, ?, name, pk, sk, item FROM arrivals WHERE region = ? AND name = ? ORDER BY number"
        )
        self._connection.execute(query, (region, source, name))

    def take(self, arrival: Arrival) -> bool:
        """Delete an arrival and the older ones at its item; return whether it was still there, not superseded."""
        found = self._connection.execute("DELETE FROM arrivals WHERE number = ?", (arrival.number,)).rowcount
        if found:
            self.supersede(arrival.to, arrival.number)
        return bool(found)

    def due(self, region: str, now: float, most: int) -> list[Arrival]:
        """Return arrivals in a Region up to `now`, in their order, `most` at most."""
        query = (
            "SELECT number, name, pk, sk, item FROM arrivals WHERE region = ? AND at <= ? "
            "ORDER BY at, number LIMIT ?"
        )
        return [
            Arrival(number, Place(region, name, (pk, sk)), None if item is None else json.loads(item))
            for number, name, pk, sk, item in self._connection.execute(query, (region, now, most))
        ]

    def next_at(self, region: str) -> float | None:
        """Return the time of the next arrival in a Region, None if there is none."""
        query = "SELECT min(at) FROM arrivals WHERE region = ?"
        (at,) = self._connection.execute(query, (region,)).fetchone()
        return None if at is None else float(at)

    def hasten(self) -> None:
        """Make all arrivals due."""
        self._connection.execute("UPDATE arrivals SET at = 0")

    def drop(self, name: str, regions: Sequence[str]) -> None:
        """Delete the arrivals at a table in some Regions."""
        query = "DELETE FROM arrivals WHERE name = ? AND region = ?"
        self._connection.executemany(query, [(name, region) for region in regions])

    def clear(self) -> None:
        """Delete all."""
        self._connection.execute("DELETE FROM arrivals")
