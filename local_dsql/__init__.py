"""A local Aurora DSQL: PostgreSQL 16 behind a proxy with DSQL's refusals, limits and conflicts.

    with LocalCluster(".blocks/local/main") as cluster:
        psycopg.connect(cluster.dsn())

The command line is `local-dsql`; `python -m local_dsql` runs a cluster in the foreground. The names below are imported
on first use: every pytest run imports this package, for the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from local_dsql.access import AccessDenied, Credentials, Effect, Permission
    from local_dsql.cluster import LocalCluster, stop_server
    from local_dsql.control.status import ClusterStatus
    from local_dsql.engine.conflict_log import Conflict
    from local_dsql.errors import LocalDatabaseError
    from local_dsql.faults.injection import Attempt, Fault, Injection

__all__ = [
    "AccessDenied",
    "Attempt",
    "ClusterStatus",
    "Conflict",
    "Credentials",
    "Effect",
    "Fault",
    "Injection",
    "LocalCluster",
    "LocalDatabaseError",
    "Permission",
    "stop_server",
]

_MODULES = {
    "AccessDenied": "access",
    "Attempt": "faults.injection",
    "ClusterStatus": "control.status",
    "Conflict": "engine.conflict_log",
    "Credentials": "access",
    "Effect": "access",
    "Fault": "faults.injection",
    "Injection": "faults.injection",
    "LocalCluster": "cluster",
    "LocalDatabaseError": "errors",
    "Permission": "access",
    "stop_server": "cluster",
}

_, __getattr__, __dir__ = lazy_exports(__name__, _MODULES)
