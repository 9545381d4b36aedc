"""Reading PostgreSQL 16's write-ahead log: which row versions each transaction has changed or locked, and how strongly.

The engine owns the data directory, so that it reads the log's files: no statement, no right, no trigger and no catalog
has a part in it, and a write by a cascade, a function, a view, COPY or an upsert looks like any other. To be sure that
all that was done before a moment is in the files, the engine runs `pg_logical_emit_message(true, '', '')` on a
connection of its own and reads up to the position that this returns.

`wal_level=logical` is needed. Under `minimal` the rows of tables that were made or truncated in the same transaction
are not logged. Under `replica` nothing before the COMMIT says whose subtransaction a number is, but for every 64th;
one that was released, as every EXCEPTION block of PL/pgSQL is at its end, has left `pg_locks`, while its rows stay.
Under `logical` the first record of each subtransaction names its top-level transaction. That costs, measured on two
shared cores, 17 % more log in pgbench's tpcb-like transaction (492 bytes instead of 422, since an UPDATE writes the
whole new row), 8 bytes for each deleted row, and no processor time that could be told from the noise: at each of the
three levels a backend took 60 µs for an UPDATE in autocommit and 230 ms for one of 100,000 rows.

A record is taken for what it is if its page says that it is the page of that position, and the record names the one
that was read before. Checksums (CRC-32C) are not computed: in Python that would take longer than all the rest.
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
