"""A local Aurora DSQL: PostgreSQL 16 behind a front that refuses, limits and conflicts as DSQL does.

    with LocalCluster(".blocks/local/main") as cluster:
        psycopg.connect(cluster.dsn())

The command line is `python -m local_dsql`, in the foreground, and `local-dsql start|stop|status|reset|psql`.
"""

from local_dsql.access import AccessDenied, Credentials, Effect, Permission
from local_dsql.cluster import LocalCluster, stop_server
from local_dsql.errors import LocalDatabaseError
from local_dsql.status import ClusterStatus

__all__ = [
    "AccessDenied",
    "ClusterStatus",
    "Credentials",
    "Effect",
    "LocalCluster",
    "LocalDatabaseError",
    "Permission",
    "stop_server",
]
