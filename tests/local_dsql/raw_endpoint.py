"""A `LocalCluster` as the byte-by-byte client wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from tests.local_dsql.proxy.raw_client import RawClient

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql import LocalCluster
    from tests.local_dsql.proxy.cluster import Cluster


class RawEndpoint:
    """Port, certificate authority and token of a cluster's first endpoint."""

    def __init__(self, cluster: LocalCluster, conninfo: str | None = None) -> None:
        parts = urlsplit(conninfo or cluster.dsn())
        self.port = parts.port
        self.user = parts.username or ""
        self.ca: Path = cluster.ca_file
        self._token = unquote(parts.password or "")

    def token(self) -> str:
        """Return the token that logs in."""
        return self._token

    def connect(self) -> RawClient:
        """Open a TLS connection, not logged in."""
        return RawClient(cast("Cluster", self))

    def log_in(self, **parameters: str) -> RawClient:
        """Open a session."""
        client = self.connect()
        client.log_in(cast("Cluster", self), self.user, **parameters)
        return client
