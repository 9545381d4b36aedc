"""Endpoints: one listener for each Region, all over one logical database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from local_dsql.proxy.connection import ClientConnection
from local_dsql.proxy.login import authenticate_client

if TYPE_CHECKING:
    import ssl

    from local_dsql.proxy.ports import ReservedPort
    from local_dsql.proxy.server_context import ServerContext


@dataclass(eq=False)
class Endpoint:
    """The listener of one Region.

    `port` stays the caller's, also after `close`; `connection_class` is the protocol of each connection.
    """

    context: ServerContext
    tls: ssl.SSLContext
    port: ReservedPort
    connections: set[ClientConnection] = field(default_factory=set)
    connection_class: type[ClientConnection] = ClientConnection
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def open(self) -> None:
        """Accept connections.

        Raises:
            OSError: the port cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        for listening in self.port.listen():
            self._servers.append(await loop.create_server(self._connection, sock=listening))

    def _connection(self) -> ClientConnection:
        log_in = partial(authenticate_client, self.context)
        return self.connection_class(self.tls, log_in, self.connections, self.context.login_timeout)

    async def close(self) -> None:
        """Accept no more connections and drop every client; new clients wait until the port is refused or closed."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
