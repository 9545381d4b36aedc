"""Login to a database as `admin`, with the driver or without it."""

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
"""Maximum seconds of a command; an index build on a large table takes hours."""

CONNECT_PATIENCE = 15.0
"""Seconds to wait for a connection; an idle cluster resumes within a few."""


@dataclass(frozen=True, slots=True)
class Login:
    """Location of a database, and the credentials to sign the token with."""

    variables: Variables
    credentials: Callable[[], Credentials]

    @classmethod
    def local(cls, cluster: LocalCluster, region: str | None = None) -> Login:
        """Return the login to a local cluster, by default in its first Region."""
        from blocks_runtime.signing import Credentials

        own, region = cluster.admin_credentials, region or cluster.regions[0]
        keys = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
        return cls(
            Variables(cluster.endpoint(region), region, ADMIN_ROLE, str(cluster.ca_file)), lambda: keys
        )

    def admin(self, connect_patience: float = CONNECT_PATIENCE) -> AdminConnection:
        """Return the migrator's connection, not yet open.

        Raises:
            ValueError: the endpoint is invalid.
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
        """Connect without loading the driver; return None if that fails."""
        from blocks_cli.database.plain_reader import PlainReader
        from blocks_runtime import signing
        from blocks_runtime.database.target import Target

        target = Target.of(self.variables)
        token = signing.token(target.host, target.region, target.role, self.credentials())
        return PlainReader.connect(target, token)
