"""How to log in to a database as `admin`, and the two ways of doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.contract import ADMIN_ROLE, Variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_cli.database.plain_reader import PlainReader
    from blocks_runtime.signing import Credentials
    from lambda_migrator.admin import AdminConnection
    from local_dsql import LocalCluster

PATIENCE = 24 * 3600.0
"""Seconds that a command may work; an index of a large table takes hours."""

CONNECT_PATIENCE = 15.0
"""Seconds in which a cluster must answer; an idle one wakes within a few."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where a database is, and what to sign with."""

    variables: Variables
    credentials: Callable[[], Credentials]

    @classmethod
    def local(cls, cluster: LocalCluster, region: str | None = None) -> Login:
        """Return how to log in to a local cluster, by default in its first Region."""
        from blocks_runtime.signing import Credentials

        own, region = cluster.admin_credentials, region or cluster.regions[0]
        keys = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
        return cls(
            Variables(cluster.endpoint(region), region, ADMIN_ROLE, str(cluster.ca_file)), lambda: keys
        )

    def admin(self, connect_patience: float = CONNECT_PATIENCE) -> AdminConnection:
        """Return the migrator's connection, to be opened.

        Raises:
            ValueError: the endpoint cannot be read.
        """
        from blocks_runtime.database.target import Target
        from custom_resource.deadline import Deadline
        from lambda_migrator.admin import AdminConnection

        return AdminConnection(
            Target.of(self.variables),
            self.credentials,
            Deadline.after(PATIENCE),
            access_patience=0.0,
            connect_patience=connect_patience,
        )

    def plain(self) -> PlainReader | None:
        """Connect without loading the driver; None where that fails."""
        from blocks_cli.database.plain_reader import PlainReader
        from blocks_runtime import signing
        from blocks_runtime.database.target import Target

        target = Target.of(self.variables)
        token = signing.token(target.host, target.region, target.role, self.credentials())
        return PlainReader.connect(target, token)
