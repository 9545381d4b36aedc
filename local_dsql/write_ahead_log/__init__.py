"""Reader of PostgreSQL 16's write-ahead log: the row versions that each transaction has changed or locked.

The engine owns the data directory, so it reads the log's files. No statement, right, trigger or catalog is involved,
and a write by a cascade, a function, a view, COPY or an upsert looks like any other. To be sure that the files have
everything up to now, the engine runs `pg_logical_emit_message(true, '', '')` on its own connection, and reads up to the
position that this returns.

TRUNCATE has no row operations. The dialect refuses it to clients (`dsql_dialect/rules/statements.py`). PostgreSQL gives
the truncated table a new file, and later operations name that file. Records that cut a file (VACUUM; TRUNCATE of a
table made in the same transaction) are read in `transaction_records`; other records of TRUNCATE are skipped in
`row_records`.

`wal_level=logical` is needed. Under `minimal`, PostgreSQL does not log the rows of tables that were made or truncated
in the same transaction. Under `replica`, the log names the parents of subtransactions only 64 at a time, or at COMMIT.
A subtransaction that was released, such as an EXCEPTION block of PL/pgSQL, is not in `pg_locks` any more, but its rows
stay. Under `logical` the first record of each subtransaction names its top-level transaction. The cost, measured on two
shared cores: 17 % more log in pgbench's tpcb-like transaction (492 bytes instead of 422, since an UPDATE writes the
whole new row), and 8 bytes for each deleted row. No difference in processor time was measurable: at each of the three
levels a backend took 60 µs for an UPDATE in autocommit and 230 ms for one of 100,000 rows.

A record is accepted if its page has the expected position, and the record names the position of the one before it.
Checksums (CRC-32C) are not computed: in Python that would take longer than everything else.
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
