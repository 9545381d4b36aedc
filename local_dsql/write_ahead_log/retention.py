"""Keeping log that has not been read: a replication slot of the engine's own connection.

PostgreSQL removes or reuses a file of the log at a CHECKPOINT that lies after it. A *temporary physical slot* forbids
that from a place on, and goes with the connection that made it, so that nothing stays behind in the data directory when
the engine ends. `wal_keep_size` would need no right and no statement, but keeps an amount and no promise: a client that
writes faster than the reader reads, with a CHECKPOINT in between, gets ahead of every amount.

The connection needs REPLICATION (or superuser) and stays open; `release` moves the slot on, which costs one round trip
(0.1 ms) and is worth it every few MiB. The files in between stay on the disk until the next CHECKPOINT after that.
"""

from __future__ import annotations

from local_dsql.write_ahead_log.lsn import format_lsn

SLOT = "local_dsql_log"

SETTINGS: dict[str, str] = {
    "wal_level": "logical",  # see local_dsql.write_ahead_log
    "max_replication_slots": "4",
    "max_wal_senders": "0",
    "wal_recycle": "off",  # a file that is gone is a missing file, never one with other content
}
"""Parameters that PostgreSQL must be started with for the reader."""

HOLD = (
    "SELECT lsn FROM pg_catalog.pg_create_physical_replication_slot("
    f"'{SLOT}', immediately_reserve => true, temporary => true)"
)
"""Statement that keeps the log from the last CHECKPOINT on; the connection that runs it holds the slot."""

DROP = f"SELECT pg_catalog.pg_drop_replication_slot('{SLOT}')"
"""Statement that gives the log back, on the connection that holds the slot."""


def release(before: int) -> str:
    """Return the statement, for the connection that holds the slot, that gives back the log before a position."""
    return f"SELECT pg_catalog.pg_replication_slot_advance('{SLOT}', '{format_lsn(before)}')"
