"""Sessions of `admin` and of a plain role, and of PostgreSQL's superuser past the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from blocks_runtime import signing
from local_dsql.access import Permission
from local_dsql.postgres import SUPERUSER
from tests.local_dsql.differential.wire_session import WireSession

if TYPE_CHECKING:
    from local_dsql import LocalCluster

PLAIN = "app"
ARN = "arn:aws:iam::000000000000:role/app"


def conninfo(cluster: LocalCluster, role: str) -> str:
    """Return what `role` connects with, with the role in the application's name."""
    if role == "admin":
        return f"{cluster.dsn()}&application_name=client-{role}"
    keys = cluster.identity(ARN, [Permission("dsql:DbConnect", cluster.arn())])
    endpoint = cluster.endpoint()
    token = signing.token(endpoint, cluster.regions[0], role, keys)
    return (
        f"postgresql://{role}:{quote(token, safe='')}@{endpoint}/postgres?sslmode=verify-full"
        f"&sslrootcert={quote(str(cluster.ca_file), safe='/')}&application_name=client-{role}"
    )


def superuser(cluster: LocalCluster) -> WireSession:
    """Open a session of PostgreSQL's superuser on the server's own socket."""
    return WireSession(f"host='{cluster.folder.sockets}' user={SUPERUSER} dbname=postgres")
