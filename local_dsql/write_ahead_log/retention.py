"""Keep unread log: a temporary replication slot of the engine's own connection.

PostgreSQL removes or reuses old log files at a CHECKPOINT. A *temporary physical slot* forbids that from a position on.
It ends with the connection that made it, so nothing stays in the data directory when the engine ends. `wal_keep_size`
would need no right and no statement, but it keeps a fixed amount: a client that writes faster than the reader reads,
with a CHECKPOINT in between, exceeds every amount.

The connection needs REPLICATION (or superuser) and stays open. `release` moves the slot forward; it costs one round
trip (0.1 ms), so it is called every few MiB. The files in between stay on the disk until the next CHECKPOINT.
"""

from __future__ import annotations

from local_dsql.write_ahead_log.lsn import format_lsn

SLOT = "local_dsql_log"

SETTINGS: dict[str, str] = {
    "wal_level": "logical",  # see local_dsql.write_ahead_log
    "max_replication_slots": "4",
    "max_wal_senders": "0",
    "wal_recycle": "off",  # a removed file is missing, and never has other content
}
"""Parameters that PostgreSQL must be started with for the reader."""

HOLD = (
    "SELECT lsn FROM pg_catalog.pg_create_physical_replication_slot("
    f"'{SLOT}', immediately_reserve => true, temporary => true)"
)
"""Statement that keeps the log from the last CHECKPOINT on; the connection that runs it holds the slot."""


def release(before: int) -> str:
    """Return the statement that releases the log before a position, on the connection that holds the slot."""
    return f"SELECT pg_catalog.pg_replication_slot_advance('{SLOT}', '{format_lsn(before)}')"
