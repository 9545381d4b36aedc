"""Reading PostgreSQL 16's write-ahead log: which row versions each transaction has changed or locked, and how strongly.

The engine owns the data directory, so that it reads the log's files: no statement, no right, no trigger and no catalog
has a part in it, and a write by a cascade, a function, a view, COPY or an upsert looks like any other. To be sure that
all that was done before a moment is in the files, the engine runs `pg_logical_emit_message(true, '', '')` on a
connection of its own and reads up to the position that this returns.

`wal_level=logical` is needed. Under `minimal` the rows of tables that were made or truncated in the same transaction
are not logged. Under `replica` nothing before the COMMIT says whose subtransaction a number is, but for every 64th;
one that was released, as every EXCEPTION block of PL/pgSQL is at its end, has left `pg_locks` too, while its rows stay.
"""

from local_dsql.write_ahead_log.changes import CONFLICTS, TableChanges, conflicts, net_changes
from local_dsql.write_ahead_log.errors import LogGap, LogNotWritten
from local_dsql.write_ahead_log.lsn import format_lsn, parse_lsn
from local_dsql.write_ahead_log.operations import LockStrength, OperationKind, Place, RowOperation
from local_dsql.write_ahead_log.reader import STEP, LogReader
from local_dsql.write_ahead_log.snapshot import Snapshot
from local_dsql.write_ahead_log.transactions import CommittedTransaction

__all__ = [
    "CONFLICTS",
    "STEP",
    "CommittedTransaction",
    "LockStrength",
    "LogGap",
    "LogNotWritten",
    "LogReader",
    "OperationKind",
    "Place",
    "RowOperation",
    "Snapshot",
    "TableChanges",
    "conflicts",
    "format_lsn",
    "net_changes",
    "parse_lsn",
]
