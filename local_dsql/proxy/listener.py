"""Endpoints: one listener for each Region, all over one logical database."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from local_dsql.proxy.connection import ClientConnection
from local_dsql.proxy.login import authenticate_client

if TYPE_CHECKING:
    import ssl

    from local_dsql.proxy.server_context import ServerContext


@dataclass(eq=False)
class Endpoint:
    """The listener of one Region: a port on the loopback addresses.

    `connection_class` is the protocol of each connection.
    """

    context: ServerContext
    tls: ssl.SSLContext
    port: int = 0
    connections: set[ClientConnection] = field(default_factory=set)
    connection_class: type[ClientConnection] = ClientConnection
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def open(self, port: int) -> int:
        """Listen on 127.0.0.1 and, if the host has it, on ::1; return the port, a free one if 0.

        Raises:
            OSError: the port is in use.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connection, "127.0.0.1", port, backlog=512)
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        if socket.has_ipv6:
            with contextlib.suppress(OSError):  # no IPv6 on this host, or the port is in use there
                other = await loop.create_server(self._connection, "::1", self.port, backlog=512)
                self._servers.append(other)
        return self.port

    def _connection(self) -> ClientConnection:
        log_in = partial(authenticate_client, self.context)
        return self.connection_class(self.tls, log_in, self.connections, self.context.login_timeout)

    async def close(self) -> None:
        """Stop listening and drop every client, as an unreachable Region does."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
