"""Transaction control of the engine's own, as messages that leave the client's unnamed statement and portal alone."""

from __future__ import annotations

from local_dsql.engine.transaction import BASE, GUARD
from local_dsql.wire import messages

BEGIN = messages.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
OPENED = "SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn()"
OPEN = messages.query(f"SAVEPOINT {BASE}; {OPENED}")
"""Messages after BEGIN: the savepoint that a suspension goes back to, and the snapshot, taken at once as DSQL does."""

COMMIT = messages.query("COMMIT")
COMMIT_AND_TELL = messages.query("SELECT pg_catalog.pg_current_xact_id_if_assigned(); COMMIT")
TELL = messages.side_query(
    "SELECT pg_catalog.pg_current_xact_id_if_assigned(), pg_catalog.pg_current_wal_insert_lsn()"
)
TELL_OPEN = TELL.removesuffix(messages.SYNC) + messages.FLUSH
"""The same within a statement that is a transaction by itself."""
ROLLBACK = messages.query("ROLLBACK")
TO_BASE = messages.side_query(f"ROLLBACK TO SAVEPOINT {BASE}")
SET_GUARD = messages.side_query(f"SAVEPOINT {GUARD}")
TO_GUARD = messages.side_query(f"ROLLBACK TO SAVEPOINT {GUARD}")
CHECK_DEFERRED = messages.side_query("SET CONSTRAINTS ALL IMMEDIATE")
