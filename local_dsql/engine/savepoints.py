"""The engine's messages for transaction control. They do not change the client's unnamed statement and portal."""

from __future__ import annotations

from local_dsql.engine.transaction import BASE, GUARD
from local_dsql.wire import messages

BEGIN = messages.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
OPENED = "SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn()"
OPEN = messages.query(f"SAVEPOINT {BASE}; {OPENED}")
"""Messages after BEGIN: the savepoint to which a suspension rolls back, and the snapshot, taken at once as DSQL
does."""

READ_COMMITTED = messages.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
"""A message between BEGIN and `OPEN`."""

COMMIT = messages.query("COMMIT")
COMMIT_AND_TELL = messages.query("SELECT pg_catalog.pg_current_xact_id_if_assigned(); COMMIT")
TELL = messages.side_query(
    "SELECT pg_catalog.pg_current_xact_id_if_assigned(), pg_catalog.pg_current_wal_insert_lsn()"
)
TELL_OPEN = TELL.removesuffix(messages.SYNC) + messages.FLUSH
"""The same as `TELL` inside of a statement in autocommit."""
ROLLBACK = messages.query("ROLLBACK")
TO_BASE = messages.side_query(f"ROLLBACK TO SAVEPOINT {BASE}")
SET_GUARD = messages.side_query(f"SAVEPOINT {GUARD}")
TO_GUARD = messages.side_query(f"ROLLBACK TO SAVEPOINT {GUARD}")
CHECK_DEFERRED = messages.side_query("SET CONSTRAINTS ALL IMMEDIATE")
