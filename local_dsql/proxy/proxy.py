"""The proxy: DSQL's wire endpoints over one PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from local_dsql.engine.engine import Engine
from local_dsql.jobs.worker import Worker
from local_dsql.parsing.long_texts import LongTexts
from local_dsql.proxy.dynamic_sql import DynamicSql
from local_dsql.proxy.listener import Endpoint
from local_dsql.proxy.roles import SUPERUSER
from local_dsql.proxy.server_context import BackendAddress, ServerContext
from local_dsql.wire.sql import literal
from local_dsql.wire.tls import remember_server_names

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from dsql_dialect import Profile
    from local_dsql.engine.limits import Limits
    from local_dsql.proxy.ports import ReservedPort
    from local_dsql.proxy.server_context import Authenticator
    from local_dsql.wire.backend import Backend


class Proxy:
    """Endpoints of one logical database over one PostgreSQL.

    Args:
        socket_directory: folder of PostgreSQL's unix socket.
        port: number in the socket's name.
        data_directory: PostgreSQL's data directory.
        profile: dialect that statements must keep to.
        authenticator: verifies login tokens.
        tls: server context; its SNI callback is replaced.
        limits: DSQL's limits; the default is DSQL's values.
        suspend_always: for tests: suspend every open transaction after each of its statements.
    """

    def __init__(
        self,
        *,
        socket_directory: Path,
        port: int,
        data_directory: Path,
        profile: Profile,
        authenticator: Authenticator,
        tls: ssl.SSLContext,
        limits: Limits | None = None,
        suspend_always: bool = False,
    ) -> None:
        self.profile = profile
        self.tls = tls
        self.engine = Engine(self._connect, data_directory, limits, suspend_always=suspend_always)
        self._long_texts = LongTexts()
        self._dynamic_sql = DynamicSql(socket_directory, profile, self._long_texts)
        self.jobs = Worker(lambda: self._connect(SUPERUSER), profile)
        self._login_secret = secrets.token_hex(16)
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
            long_texts=self._long_texts,
            job_committed=self.jobs.wake,
            region=region,
            login_secret=self._login_secret,
            commit_latency=commit_latency,
        )

    async def _connect(self, role: str) -> Backend:
        parameters = {
            "user": role,
            "database": "postgres",
            "application_name": "local-dsql",
            "default_transaction_isolation": "read committed",
            "search_path": "pg_catalog",
        }
        return await self._address.connect(parameters)

    async def start(self) -> None:
        """Connect to PostgreSQL and prepare the database for clients.

        Raises:
            OSError: PostgreSQL does not listen on its socket, or the folder of the socket cannot be written.
            BackendError: the database lacks the catalog of `local_dsql.catalog`.
        """
        await self.engine.start()
        self._dynamic_sql.start()
        superuser = await self._connect(SUPERUSER)
        # A database created from a template has its own privileges.
        await superuser.rows("GRANT CREATE ON DATABASE postgres TO admin")
        await superuser.rows(
            "DELETE FROM local_dsql.login_secret;"
            f" INSERT INTO local_dsql.login_secret VALUES ({literal(self._login_secret)})"
        )
        superuser.close()
        await self.jobs.start(self.engine.services)

    async def listen(self, region: str, port: ReservedPort, commit_latency: float = 0.0) -> None:
        """Open the endpoint of a Region.

        Args:
            region: AWS Region that tokens must be signed for.
            port: port on the loopback addresses; it stays the caller's, also after `close`.
            commit_latency: seconds that a COMMIT with changes takes longer.

        Raises:
            ValueError: the Region already has an endpoint.
            OSError: the port cannot be listened on.
        """
        if region in self._endpoints:
            raise ValueError(f"{region} already has an endpoint")
        endpoint = Endpoint(self.context(region, commit_latency), self.tls, port)
        await endpoint.open()
        self._endpoints[region] = endpoint

    async def pause(self) -> None:
        """Drop all clients and forget injections, conflicts and waits; new clients wait until `resume`."""
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints.values()))
        await self.engine.end_sessions()

    async def resume(self) -> None:
        """Accept clients again."""
        for endpoint in self._endpoints.values():
            await endpoint.open()

    async def stop_region(self, region: str) -> None:
        """Drop the clients of a Region and refuse new ones; its port stays reserved. No effect if it is stopped."""
        if (endpoint := self._endpoints.pop(region, None)) is not None:
            endpoint.port.refuse()
            await endpoint.close()

    async def close(self) -> None:
        """Drop all clients and disconnect from PostgreSQL."""
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints.values()))
        self._endpoints.clear()
        await self.jobs.close()
        await self._long_texts.close()
        await self.engine.close()
        self._dynamic_sql.close()
