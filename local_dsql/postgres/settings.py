"""Settings of the local PostgreSQL."""

from __future__ import annotations

from local_dsql.write_ahead_log.retention import SETTINGS as LOG_SETTINGS

SETTINGS: dict[str, str] = {
    # reachable only by the proxy
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # one backend per client, and the proxy's own connections
    "max_connections": "300",
    "max_locks_per_transaction": "128",
    # A development database: committed data survives kill -9 of any process, but not a power failure. COMMIT writes
    # the WAL to the system (synchronous_commit, on by default), but does not flush it to disk.
    "fsync": "off",
    "full_page_writes": "off",
    **LOG_SETTINGS,
    # PostgreSQL stops one statement of a deadlock; the engine then runs it again.
    "deadlock_timeout": "10ms",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
    # fewer processes: no replication, no parallel workers
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    # values of a DSQL session (recorded 2026-09-17, eu-central-1)
    "default_transaction_isolation": "repeatable read",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    # Parameters of DSQL that PostgreSQL only stores. The first is on by default (measured 2026-10-04, eu-central-1).
    "dsql.enable_batched_nestloop": "on",
    "dsql.disable_sync_create_index": "on",
    # Statements contain the application's data, so its errors are not logged; LOG, FATAL and PANIC are.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    # After a backend crash the proxy's state may be wrong: stop and report it instead of a restart.
    "restart_after_crash": "off",
}

INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=trust",  # the socket is in a folder of mode 0700
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=1",
    "--no-sync",
    "--no-instructions",
)
