"""A transaction whose changes are known twice: from the log, and from what two snapshots show of the tables.

The oracle never looks at a transaction number. `own` runs the transaction; `observer` holds the snapshot that it began
with. A place that `own` shows and `observer` does not is one that the transaction has made, and the other way round.
Every row carries a `tag` that no statement changes: it tells an UPDATE from a DELETE and an INSERT. Locks are what
another session is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg

from local_dsql.write_ahead_log import LockStrength, Place, TableChanges, net_changes, parse_lsn
from tests.local_dsql.write_ahead_log.servers import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.local_dsql.write_ahead_log.servers import Server

MODES = {
    LockStrength.KEY_SHARE: "KEY SHARE",
    LockStrength.SHARE: "SHARE",
    LockStrength.NO_KEY_UPDATE: "NO KEY UPDATE",
    LockStrength.UPDATE: "UPDATE",
}
TABLES = (
    "SELECT relname, pg_relation_filenode(c.oid)::int8 FROM pg_class c "
    "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"
)
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"


class Seen(NamedTuple):
    """Changes of one table, in the same terms from both sources."""

    updates: dict[Place, Place]
    deletes: set[Place]
    inserts: set[Place]


class Watched:
    """Sessions of one database and a reader of its log."""

    def __init__(self, server: Server, dbname: str = "postgres") -> None:
        self.own, self.observer, self.prober, self.control = (server.connect(dbname) for _ in range(4))
        self.reader = server.reader(self.control)
        self.prober.execute("SET default_transaction_isolation = 'read committed'; SET lock_timeout = '30ms'")

    def close(self) -> None:
        for connection in (self.own, self.observer, self.prober, self.control):
            connection.close()
        self.reader.close()

    def flushed(self) -> int:
        """Return a position of the log before which all that was done so far lies."""
        ((end,),) = rows(self.control, "SELECT pg_logical_emit_message(true, '', '')::text")
        return parse_lsn(end)

    def read(self) -> None:
        self.reader.advance(self.flushed())

    def begin(self) -> None:
        self.own.execute(_BEGIN)
        ((snapshot,),) = rows(self.own, "SELECT pg_export_snapshot()")
        self.observer.execute(_BEGIN)
        self.observer.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())

    def end(self, how: str = "ROLLBACK") -> None:
        self.own.execute(how.encode())
        self.observer.execute("ROLLBACK")

    def top(self) -> int | None:
        xid: int | None
        ((xid,),) = rows(self.own, "SELECT pg_current_xact_id_if_assigned()::text::int8")
        return xid

    def xids(self) -> set[int]:
        """Return the numbers of the own transaction, by the log's word on its subtransactions."""
        self.read()
        top = self.top()
        return set() if top is None else {top, *self.reader.subtransactions(top)}

    def changes(self) -> dict[int, TableChanges]:
        return net_changes(self.reader.operations(self.xids()), multixact_strength=_unknown)

    def check(self, *, locks: bool = True, others: bool = False) -> int:
        """Compare the log with both snapshots in every table; return how many tables have changes or locks.

        Args:
            locks: compare the locks, too; that takes longest.
            others: another session has committed since. A lock that PostgreSQL carries over to the version that another
                transaction's UPDATE makes is refused to others and not in the log.
        """
        changes = self.changes()
        found = 0
        for table, file in rows(self.own, TABLES):
            logged = changes.get(file, TableChanges())
            assert len(logged.inserts) == len(set(logged.inserts))
            assert Seen(logged.updates, logged.deletes, set(logged.inserts)) == self._seen(table), table
            if locks and others:
                refused = self._refused(table)
                assert {k: v for k, v in logged.held.items() if v > refused.get(k, v)} == {}, table
            elif locks:
                assert logged.held == self._refused(table), table
            found += bool(logged or logged.held)
        return found

    def _seen(self, table: str) -> Seen:
        base, own = (
            {place(ctid): tag for ctid, tag in rows(side, f'SELECT ctid::text, tag FROM ONLY "{table}"')}
            for side in (self.observer, self.own)
        )
        made = {tag: ctid for ctid, tag in own.items() if ctid not in base}
        gone = {tag: ctid for ctid, tag in base.items() if ctid not in own}
        updates = {ctid: made[tag] for tag, ctid in gone.items() if tag in made}
        deletes = {ctid for tag, ctid in gone.items() if tag not in made}
        return Seen(updates, deletes, {ctid for tag, ctid in made.items() if tag not in gone})

    def _refused(self, table: str) -> dict[Place, LockStrength]:
        """Return the rows of others that are locked, by the weakest lock that another session is refused.

        A lock refuses those that conflict with it: KEY SHARE only UPDATE, UPDATE all.
        """
        everything = _places(self.prober, f'SELECT ctid::text FROM ONLY "{table}"')
        refused = {}
        for own, asked in zip(reversed(MODES), MODES, strict=True):
            free = f'SELECT ctid::text FROM ONLY "{table}" FOR {MODES[asked]} SKIP LOCKED'
            try:
                with self.prober.transaction(force_rollback=True):
                    refused[own] = everything - _places(self.prober, free)
            except psycopg.errors.LockNotAvailable:
                refused[own] = {one for one in everything if self._is_refused(table, one, MODES[asked])}
        return {ctid: own for own in MODES for ctid in refused[own]}

    def _is_refused(self, table: str, one: Place, mode: str) -> bool:
        """Ask for a single lock: SKIP LOCKED waits for a version made by an UPDATE that it does not conflict with."""
        query = (
            f"SELECT FROM ONLY \"{table}\" WHERE ctid = '({one.block},{one.offset})' FOR {mode} SKIP LOCKED"
        )
        try:
            with self.prober.transaction(force_rollback=True):
                return not rows(self.prober, query)
        except psycopg.errors.LockNotAvailable:
            return True


def _places(connection: psycopg.Connection, query: str) -> set[Place]:
    return {place(ctid) for (ctid,) in rows(connection, query)}


def place(ctid: str) -> Place:
    """Return a place as PostgreSQL prints it."""
    block, offset = ctid.strip("()").split(",")
    return Place(int(block), int(offset))


def held_by(changes: dict[int, TableChanges], files: Iterable[int]) -> dict[tuple[int, Place], LockStrength]:
    """Return the locks in some files, as `conflicts` takes them."""
    return {
        (file, where): strength
        for file in files
        if file in changes
        for where, strength in changes[file].held.items()
    }


def _unknown(multixact: int, strongest: LockStrength) -> LockStrength:
    raise AssertionError(f"the members of MultiXact {multixact} were not read")
