"""Everything that a server keeps, in SQLite. One connection, used by one thread at a time.

Tables and their replicas, items, tokens of transactions, access keys of identities, settings, and changes on their way
to other Regions (`arrivals`).
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dynamodb.engine.arrivals import Arrivals
from local_dynamodb.engine.schema import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local_dynamodb.engine.attributes import Item

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tables (region TEXT, name TEXT, definition TEXT, PRIMARY KEY (region, name));
CREATE TABLE IF NOT EXISTS items (
    region TEXT, name TEXT, pk BLOB, sk BLOB, item TEXT, PRIMARY KEY (region, name, pk, sk)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (region TEXT, token TEXT, digest TEXT, at REAL, PRIMARY KEY (region, token));
CREATE TABLE IF NOT EXISTS replicas (name TEXT, region TEXT, PRIMARY KEY (name, region)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identities (access_key_id TEXT PRIMARY KEY, name TEXT, permissions TEXT);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT);
"""


_ASCENDING = (
    "SELECT sk, item FROM items "
    "WHERE region = ? AND name = ? AND pk = ? AND sk >= ? AND (? OR sk <= ?) ORDER BY sk"
)
_DESCENDING = f"{_ASCENDING} DESC"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one item: its key, and the item before and after; None where there is none."""

    table: Table
    key: tuple[bytes, bytes]
    before: Item | None
    after: Item | None


class ItemStore:
    """Reads and writes items; changes of an open transaction are listed in `changes`."""

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")  # survives a killed process
        self._connection.executescript(_SCHEMA)
        self.arrivals = Arrivals(self._connection)
        self.changes: list[Change] = []
        self._replicas: dict[str, tuple[str, ...]] | None = None
        self._settings: dict[str, str] | None = None
        self._tables: dict[tuple[str, str], Table] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the block, or undo it if it raises."""
        self.changes = []
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite rolls back by itself after some errors
                self._connection.execute("ROLLBACK")
            self.changes = []
            self._tables = self._replicas = self._settings = None
            raise

    def take_changes(self) -> list[Change]:
        """Return the changes of the transaction that has ended, and keep them no longer."""
        changes, self.changes = self.changes, []
        return changes

    @property
    def tables(self) -> dict[tuple[str, str], Table]:
        """All tables by Region and name."""
        if self._tables is None:
            rows = self._connection.execute("SELECT definition FROM tables ORDER BY region, name")
            found = [Table.from_json(text) for (text,) in rows]
            self._tables = {(table.region, table.name): table for table in found}
        return self._tables

    def put_table(self, table: Table) -> None:
        """Create a table, or change its definition."""
        self._connection.execute(
            "INSERT OR REPLACE INTO tables VALUES (?, ?, ?)", (table.region, table.name, table.to_json())
        )
        self._tables = None

    def put_copy(self, table: Table, region: str) -> None:
        """Create a copy of a table in another Region, with its items and the changes on their way to it."""
        self.put_table(table.in_region(region))
        query = "INSERT INTO items SELECT ?, name, pk, sk, item FROM items WHERE region = ? AND name = ?"
        self._connection.execute(query, (region, table.region, table.name))
        self.arrivals.copy(table.name, table.region, region)

    def drop_table(self, table: Table) -> None:
        """Delete a table, its items, and the changes on their way to it; its replicas in other Regions stay."""
        place = (table.region, table.name)
        self._connection.execute("DELETE FROM tables WHERE region = ? AND name = ?", place)
        self._connection.execute("DELETE FROM items WHERE region = ? AND name = ?", place)
        self._connection.execute("DELETE FROM replicas WHERE region = ? AND name = ?", place)
        self.arrivals.drop(table.name, [table.region])
        self._tables = self._replicas = None

    @property
    def replicas(self) -> dict[str, tuple[str, ...]]:
        """The Regions of each replicated table."""
        if self._replicas is None:
            found: dict[str, tuple[str, ...]] = {}
            for name, region in self._connection.execute("SELECT name, region FROM replicas"):
                found[name] = (*found.get(name, ()), region)
            self._replicas = found
        return self._replicas

    def put_replicas(self, name: str, regions: Sequence[str]) -> None:
        """Replicate a table between these Regions, and no others."""
        self.arrivals.drop(name, [region for region in self.replicas.get(name, ()) if region not in regions])
        self._connection.execute("DELETE FROM replicas WHERE name = ?", (name,))
        rows = [(name, region) for region in dict.fromkeys(regions)]
        self._connection.executemany("INSERT INTO replicas VALUES (?, ?)", rows)
        self._replicas = None

    def identities(self) -> list[tuple[str, str, list[list[str]]]]:
        """Return the access keys of identities, each with the name of its role and its permissions."""
        rows = self._connection.execute("SELECT access_key_id, name, permissions FROM identities")
        return [(key, name, json.loads(permissions)) for key, name, permissions in rows]

    def put_identity(self, access_key_id: str, name: str, permissions: Sequence[Sequence[str]]) -> None:
        """Add the access key of an identity, or change its permissions."""
        row = (access_key_id, name, json.dumps(permissions))
        self._connection.execute("INSERT OR REPLACE INTO identities VALUES (?, ?, ?)", row)

    def setting(self, name: str) -> str | None:
        """Return a setting, None if it was never set."""
        if self._settings is None:
            self._settings = dict(self._connection.execute("SELECT name, value FROM settings"))
        return self._settings.get(name)

    def put_setting(self, name: str, value: str) -> None:
        """Set a setting."""
        self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))
        self._settings = None

    def count(self, table: Table) -> int:
        """Return the number of items."""
        query = "SELECT count(*) FROM items WHERE region = ? AND name = ?"
        (number,) = self._connection.execute(query, (table.region, table.name)).fetchone()
        return int(number)

    def get(self, table: Table, key: tuple[bytes, bytes]) -> Item | None:
        """Return an item, None if there is none."""
        query = "SELECT item FROM items WHERE region = ? AND name = ? AND pk = ? AND sk = ?"
        row = self._connection.execute(query, (table.region, table.name, *key)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, table: Table, key: tuple[bytes, bytes], item: Item) -> None:
        """Write an item."""
        self.changes.append(Change(table, key, self.get(table, key), item))
        self._connection.execute(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)",
            (table.region, table.name, *key, json.dumps(item, separators=(",", ":"))),
        )

    def delete(self, table: Table, key: tuple[bytes, bytes]) -> None:
        """Delete an item, if there is one."""
        self.changes.append(Change(table, key, self.get(table, key), None))
        self._connection.execute(
            "DELETE FROM items WHERE region = ? AND name = ? AND pk = ? AND sk = ?",
            (table.region, table.name, *key),
        )

    def partition(
        self, table: Table, pk: bytes, low: bytes, high: bytes | None, *, reverse: bool
    ) -> Iterator[tuple[tuple[bytes, bytes], Item]]:
        """Yield the items of a partition from `low` to `high`, both included, in order; None: to the end."""
        query = _DESCENDING if reverse else _ASCENDING
        limits = (low, high is None, high)
        for sk, item in self._connection.execute(query, (table.region, table.name, pk, *limits)):
            yield (pk, sk), json.loads(item)

    def scan(self, table: Table, after: tuple[bytes, bytes]) -> Iterator[tuple[tuple[bytes, bytes], Item]]:
        """Yield the items after a key; a scan has no order that means anything, here it is that of the keys."""
        query = "SELECT pk, sk, item FROM items WHERE region = ? AND name = ? AND (pk, sk) > (?, ?) ORDER BY pk, sk"
        for pk, sk, item in self._connection.execute(query, (table.region, table.name, *after)):
            yield (pk, sk), json.loads(item)

    def digest_of_token(self, region: str, token: str, since: float) -> str | None:
        """Return the digest of the request that was carried out with a token after `since`."""
        self._connection.execute("DELETE FROM tokens WHERE at < ?", (since,))
        query = "SELECT digest FROM tokens WHERE region = ? AND token = ?"
        row = self._connection.execute(query, (region, token)).fetchone()
        return None if row is None else str(row[0])

    def put_token(self, region: str, token: str, digest: str, at: float) -> None:
        """Record that a request was carried out."""
        self._connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", (region, token, digest, at))

    def clear(self) -> None:
        """Delete all items, changes on their way and tokens; the tables and settings stay."""
        self._connection.execute("DELETE FROM items")
        self.arrivals.clear()
        self._connection.execute("DELETE FROM tokens")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
