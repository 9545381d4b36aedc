"""A local Aurora DSQL: PostgreSQL 16 behind a proxy that refuses, limits and conflicts as DSQL does.

    with LocalCluster(".blocks/local/main") as cluster:
        psycopg.connect(cluster.dsn())

The command line is `local-dsql`, and `python -m local_dsql` for a cluster in the foreground.
The names below are imported when they are first used: pytest imports this package in every run, for the plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_dsql.access import AccessDenied, Credentials, Effect, Permission
    from local_dsql.cluster import LocalCluster, stop_server
    from local_dsql.control.status import ClusterStatus
    from local_dsql.errors import LocalDatabaseError
    from local_dsql.faults.injection import Attempt, Fault, Injection
    from local_dsql.occ.journal import Conflict

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
    "Conflict": "occ.journal",
    "Credentials": "access",
    "Effect": "access",
    "Fault": "faults.injection",
    "Injection": "faults.injection",
    "LocalCluster": "cluster",
    "LocalDatabaseError": "errors",
    "Permission": "access",
    "stop_server": "cluster",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
