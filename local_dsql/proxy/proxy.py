"""The proxy: DSQL's wire endpoints over one PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.jobs.worker import Worker
from local_dsql.occ.engine import Engine
from local_dsql.occ.limits import Limits
from local_dsql.proxy.listener import Endpoint
from local_dsql.proxy.server_context import BackendAddress, ServerContext
from local_dsql.wire.tls import remember_server_names

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from dsql_dialect import Profile
    from local_dsql.proxy.server_context import Authenticator
    from local_dsql.wire.backend import Backend


class Proxy:
    """Endpoints of one logical database over one PostgreSQL.

    Args:
        socket_directory: folder of PostgreSQL's unix socket.
        port: number in the socket's name.
        profile: dialect that statements must keep to.
        authenticator: verifies login tokens.
        tls: server context; its SNI callback is replaced.
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
        limits: Limits | None = None,
    ) -> None:
        self.profile = profile
        self.tls = tls
        self.engine = Engine(self._connect, limits or Limits())
        self.jobs = Worker(self.engine, self._connect)
        self._authenticator = authenticator
        self._address = BackendAddress(socket_directory, port)
        self._endpoints: dict[str, Endpoint] = {}
        remember_server_names(tls)

    def context(self, region: str, commit_latency: float = 0.0) -> ServerContext:
        """Return the services for an endpoint of a Region."""
        return ServerContext(
            engine=self.engine,
            profile=self.profile,
            authenticator=self._authenticator,
            address=self._address,
            wake_jobs=self.jobs.wake,
            region=region,
            commit_latency=commit_latency,
        )

    async def _connect(self) -> Backend:
        parameters = {
            "user": "postgres",
            "database": "postgres",
            "application_name": "local-dsql",
            "default_transaction_isolation": "read committed",
            "search_path": "pg_catalog",
        }
        return await self._address.connect(parameters)

    async def start(self) -> None:
        """Connect to PostgreSQL and prepare the database for clients.

        Raises:
            OSError: PostgreSQL does not listen on its socket.
            BackendError: the database lacks the catalog of `local_dsql.catalog`.
        """
        await self.engine.start()
        # A database created from a template has its own privileges.
        await self.engine.control.rows("GRANT CREATE ON DATABASE postgres TO admin")
        await self.jobs.start()

    async def listen(self, region: str, port: int = 0, commit_latency: float = 0.0) -> int:
        """Open the endpoint of a Region and return its port.

        Args:
            region: AWS Region that tokens must be signed for.
            port: port on the loopback addresses; 0 takes a free one.
            commit_latency: seconds that a COMMIT with changes takes longer.

        Raises:
            ValueError: the Region already has an endpoint.
            OSError: the port is in use.
        """
        if region in self._endpoints:
            raise ValueError(f"{region} already has an endpoint")
        endpoint = Endpoint(self.context(region, commit_latency), self.tls)
        await endpoint.open(port)
        self._endpoints[region] = endpoint
        return endpoint.port

    async def stop_region(self, region: str) -> None:
        """Make a Region unreachable: drop its clients and refuse new ones.

        Raises:
            KeyError: the Region has no endpoint.
        """
        await self._endpoints[region].close()

    async def start_region(self, region: str) -> None:
        """Make a stopped Region reachable again, on the same port.

        Raises:
            KeyError: the Region has no endpoint.
            OSError: another program uses the port.
        """
        endpoint = self._endpoints[region]
        await endpoint.open(endpoint.port)

    async def close(self) -> None:
        """Drop all clients and disconnect from PostgreSQL."""
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints.values()))
        self._endpoints.clear()
        await self.jobs.close()
        await self.engine.close()
