"""Environment variables of an application for AWS, with the local cluster as target."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_dsql import Credentials, LocalCluster


def host(cluster: LocalCluster, region: str | None = None) -> str:
    """Return the host name that the cluster would have on AWS."""
    return f"{cluster.identifier}.dsql.{region or cluster.regions[0]}.on.aws"


def environment(
    cluster: LocalCluster, region: str | None = None, credentials: Credentials | None = None
) -> dict[str, str]:
    """Return the variables of libpq and of AWS's SDKs, by default for the cluster's admin."""
    keys = credentials or cluster.admin_credentials
    return {
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": cluster.endpoint(region).partition(":")[2],
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(cluster.ca_file),
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token or "",
    }
