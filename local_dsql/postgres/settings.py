"""Settings that the local PostgreSQL runs with."""

from __future__ import annotations

from local_dsql.write_ahead_log.retention import SETTINGS as LOG_SETTINGS

SETTINGS: dict[str, str] = {
    # reachable by the front alone
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # one backend a client, and as many again for the front's own
    "max_connections": "300",
    "max_locks_per_transaction": "128",
    # A development database: what was committed survives kill -9 of any process, but no power cut. The log
    # goes to the system at COMMIT (synchronous_commit, on by default), and never to the disk.
    "fsync": "off",
    "full_page_writes": "off",
    **LOG_SETTINGS,
    # Statements that block each other in a ring are found by PostgreSQL; the engine then runs one of them again.
    "deadlock_timeout": "10ms",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
    # fewer processes: nothing replicates here, and no query is worth starting workers for
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    # what a DSQL session shows (recorded 2026-09-17, eu-central-1)
    "default_transaction_isolation": "repeatable read",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    # Statements hold the application's data, so its mistakes are not logged; LOG, FATAL and PANIC are.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    # A crashed backend may have lost what the front believes of it: stop, say so, start again.
    "restart_after_crash": "off",
}

INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=trust",  # the socket lies in a folder of mode 0700
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=1",
    "--no-sync",
    "--no-instructions",
)
