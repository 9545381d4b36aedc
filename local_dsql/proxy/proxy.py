"""The front: what speaks DSQL in front of one PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from local_dsql.jobs.worker import Worker
from local_dsql.occ.engine import Engine
from local_dsql.occ.limits import Limits
from local_dsql.proxy.listener import Endpoint
from local_dsql.wire.backend import Backend
from local_dsql.wire.tls import remember_server_names

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from dsql_dialect import Profile
    from local_dsql.access import Principal
    from local_dsql.faults.injector import Injector
    from local_dsql.occ.journal import Conflict


class Authenticator(Protocol):
    """Who decides whether a token opens the door."""

    def authenticate(self, *, user: str, token: str, region: str, host: str | None) -> Principal:
        """Return who logs in as `user`; `host` is the server name of the TLS handshake.

        Raises:
            local_dsql.access.AccessDenied: the token is not good for that.
        """


class Front:
    """Endpoints of one logical database over one PostgreSQL.

    Args:
        socket_directory: folder of PostgreSQL's unix socket.
        port: number in the socket's name.
        profile: dialect that statements must keep to.
        authenticator: checks tokens.
        tls: server context; its SNI callback becomes the front's.
        cluster_identifier: 26 characters.
        limits: DSQL's limits; the default is DSQL's values.
    """

    def __init__(
        self,
        *,
        socket_directory: Path,
        port: int,
        profile: Profile,
        authenticator: Authenticator,
        tls: ssl.SSLContext,
        cluster_identifier: str,
        limits: Limits | None = None,
    ) -> None:
        self.socket_directory = socket_directory
        self.port = port
        self.profile = profile
        self.authenticator = authenticator
        self.cluster_identifier = cluster_identifier
        self.engine = Engine(self._connect, limits or Limits())
        self.jobs = Worker(self.engine, self._connect)
        self.tls = tls
        self._endpoints: dict[str, Endpoint] = {}
        remember_server_names(tls)

    @property
    def control(self) -> Backend:
        """The front's own connection, as superuser."""
        return self.engine.control

    @property
    def injector(self) -> Injector:
        """Where conflicts are asked for."""
        return self.engine.injector

    @property
    def conflicts(self) -> list[Conflict]:
        """The last thousand conflicts, oldest first."""
        return list(self.engine.journal.conflicts)

    async def _connect(self) -> Backend:
        parameters = {
            "user": "postgres",
            "database": "postgres",
            "application_name": "local-dsql",
            "default_transaction_isolation": "read committed",
            "search_path": "pg_catalog",
        }
        return await Backend.connect(self.socket_directory, self.port, parameters)

    async def start(self) -> None:
        """Connect to PostgreSQL and prepare the database for clients.

        Raises:
            OSError: PostgreSQL is not there.
            BackendError: the database lacks the catalog of `local_dsql.catalog`.
        """
        await self.engine.start()
        # A database made from a template has privileges of its own.
        await self.control.rows("GRANT CREATE ON DATABASE postgres TO admin")
        await self.jobs.start()

    async def listen(self, region: str, port: int = 0, commit_latency: float = 0.0) -> int:
        """Open the endpoint of a Region and return its port.

        Args:
            region: AWS Region that tokens must be signed for.
            port: port on the loopback addresses; 0 takes a free one.
            commit_latency: seconds that a COMMIT with changes takes longer.

        Raises:
            ValueError: the Region has an endpoint already.
            OSError: the port is taken.
        """
        if region in self._endpoints:
            raise ValueError(f"{region} has an endpoint already")
        endpoint = Endpoint(self, region, self.tls, commit_latency)
        await endpoint.open(port)
        self._endpoints[region] = endpoint
        return endpoint.port

    async def stop_region(self, region: str) -> None:
        """Make a Region unreachable: its clients are cut off, its port refuses.

        Raises:
            KeyError: there is no such endpoint.
        """
        await self._endpoints[region].close()

    async def start_region(self, region: str) -> None:
        """Make a stopped Region reachable again, on the same port.

        Raises:
            KeyError: there is no such endpoint.
            OSError: somebody else took the port.
        """
        endpoint = self._endpoints[region]
        await endpoint.open(endpoint.port)

    async def close(self) -> None:
        """Cut off all clients and leave PostgreSQL."""
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints.values()))
        self._endpoints.clear()
        await self.jobs.close()
        await self.engine.close()
