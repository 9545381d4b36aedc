"""A local Aurora DSQL: PostgreSQL 16 behind a front that refuses, limits and conflicts as DSQL does.

    with LocalCluster(".blocks/local/main") as cluster:
        psycopg.connect(cluster.dsn())

The command line is `python -m local_dsql`, in the foreground, and `local-dsql start|stop|status|reset|psql`.
"""

from local_dsql.access import AccessDenied, Credentials, Effect, Permission
from local_dsql.cluster import ClusterStatus, LocalCluster
from local_dsql.errors import LocalDatabaseError

__all__ = [
    "AccessDenied",
    "ClusterStatus",
    "Credentials",
    "Effect",
    "LocalCluster",
    "LocalDatabaseError",
    "Permission",
]
