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
    from collections.abc import Sequence

    from local_dsql.proxy.server_context import ServerContext

_BACKLOG = 512
"""Connections that wait to be accepted."""


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
    _sockets: list[socket.socket] = field(default_factory=list)

    async def open(self, port: int, sockets: Sequence[socket.socket] = ()) -> int:
        """Listen on 127.0.0.1 and, if the host has it, on ::1; return the port, a free one if 0.

        `sockets` are those of `detach`; then `port` has no effect.

        Raises:
            OSError: the port is in use.
        """
        self._sockets = list(sockets) or _listening(port)
        self.port = self._sockets[0].getsockname()[1]
        await self.resume()
        return self.port

    async def resume(self) -> None:
        """Accept clients again after `pause`; no effect on an endpoint that does not listen."""
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            self._servers.append(
                await loop.create_server(self._connection, sock=each.dup(), backlog=_BACKLOG)
            )

    def detach(self) -> list[socket.socket]:
        """Return the listening sockets for another endpoint; after `close` they keep the port, and clients wait."""
        sockets, self._sockets = self._sockets, []
        return sockets

    def _connection(self) -> ClientConnection:
        log_in = partial(authenticate_client, self.context)
        return self.connection_class(self.tls, log_in, self.connections, self.context.login_timeout)

    async def close(self) -> None:
        """Stop listening and drop every client, as an unreachable Region does."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()
        await self.pause()

    async def pause(self) -> None:
        """Drop every client; the port stays open, and new clients wait."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()


def _listening(port: int) -> list[socket.socket]:
    sockets = [socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)]
    if socket.has_ipv6:
        with contextlib.suppress(OSError):  # no IPv6 on this host, or the port is in use there
            number = sockets[0].getsockname()[1]
            sockets.append(socket.create_server(("::1", number), family=socket.AF_INET6, backlog=_BACKLOG))
    return sockets
