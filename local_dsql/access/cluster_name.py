"""Identifier, ARNs and host names of a local cluster."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

LOCAL_ACCOUNT = "000000000000"
"""The AWS account of everything local."""

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def new_identifier() -> str:
    """Return a new cluster identifier: 26 characters of lower-case base32, as on DSQL."""
    return "".join(secrets.choice(_BASE32) for _ in range(26))


@dataclass(frozen=True, slots=True)
class ClusterName:
    """The names derived from a cluster identifier."""

    identifier: str

    def arn(self, region: str) -> str:
        """Return the ARN in a Region, as IAM permissions name it."""
        return f"arn:aws:dsql:{region}:{LOCAL_ACCOUNT}:cluster/{self.identifier}"

    def host(self, region: str) -> str:
        """Return the host name that the cluster would have on AWS; map it to loopback to use it."""
        return f"{self.identifier}.dsql.{region}.on.aws"

    def has_endpoint(self, host: str, region: str) -> bool:
        """Return whether `host`, with or without a port, is this cluster's endpoint in `region`."""
        name = re.sub(r":[0-9]+\Z", "", host) if host.startswith("[") or host.count(":") == 1 else host
        return name.lower().strip("[]") in (*LOOPBACK_HOSTS, self.host(region))
