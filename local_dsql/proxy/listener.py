"""Endpoints: one a Region, all of one logical database."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.proxy.connection import ClientConnection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from local_dsql.proxy.proxy import Front


@dataclass(eq=False)
class Endpoint:
    """Where the clients of one Region connect: a port on the loopback addresses.

    `commit_latency` is in seconds; it is added to every COMMIT of a transaction that changed something. `serve`
    makes the protocol of each connection.
    """

    front: Front
    region: str
    tls: ssl.SSLContext
    commit_latency: float = 0.0
    port: int = 0
    connections: set[ClientConnection] = field(default_factory=set)
    serve: Callable[[Endpoint], ClientConnection] = ClientConnection
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def open(self, port: int) -> int:
        """Listen on 127.0.0.1 and, where there is one, on ::1; return the port, chosen freely if 0.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self.serve(self), "127.0.0.1", port, backlog=512)
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        if socket.has_ipv6:
            with contextlib.suppress(OSError):  # no IPv6 here, or somebody else has that port there
                other = await loop.create_server(lambda: self.serve(self), "::1", self.port, backlog=512)
                self._servers.append(other)
        return self.port

    async def close(self) -> None:
        """Stop listening and drop every client, as a Region that is gone would."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
