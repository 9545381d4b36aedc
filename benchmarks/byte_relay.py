"""A relay in Python that passes bytes on between clients and a PostgreSQL, and reads nothing: the least that one costs.

It has the event loop and the TLS of the local DSQL. `python -m benchmarks.byte_relay PORT SOCKET CERTIFICATE KEY`
serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import uvloop

from benchmarks.relays import certificates_in, connection_strings, free_port, wait_until_listening
from local_dsql.wire import messages
from local_dsql.wire.tls import TlsSession

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("byte relay in Python, TLS", "byte relay in Python, plain text")
"""Names of the contenders, in the order of the connection strings of `running`."""
_SSL_REQUEST = messages.SSL_REQUEST.to_bytes(4, "big")


class _Client(asyncio.Protocol):
    """A client's connection, with one of its own to PostgreSQL."""

    def __init__(self, socket: str, context: ssl.SSLContext) -> None:
        self._socket = socket
        self._context = context
        self._tls: TlsSession | None = None
        self._server: asyncio.Transport | None = None
        self._early = b""
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        tls = self._tls
        if tls is not None:
            try:
                data = tls.receive(data)
            except (ssl.SSLError, EOFError):
                self._transport.close()
                return
            if tls.outgoing.pending:
                self._transport.write(tls.outgoing.read())
        elif data[4:] == _SSL_REQUEST:
            self._tls = TlsSession(self._context)
            self._transport.write(messages.ENCRYPTION_ACCEPTED)
            return
        if self._server is not None:
            self._server.write(data)
        elif data:
            self._early += data
            self._connecting = self._connecting or asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._server, _ = await loop.create_unix_connection(lambda: _Server(self), self._socket)
        self._server.write(self._early)

    def send(self, data: bytes) -> None:
        """Send what PostgreSQL has answered."""
        self._transport.write(data if self._tls is None else self._tls.encrypt(data))

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._server is not None:
            self._server.close()


class _Server(asyncio.Protocol):
    """The connection of one client to PostgreSQL."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.send(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.close()


async def _serve(port: int, socket: str, context: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(socket, context), "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def running(sockets: str, server_port: int, user: str) -> Iterator[tuple[str, str]]:
    """Run it in front of the PostgreSQL with this socket; yield its connection strings: over TLS, in plain text."""
    with tempfile.TemporaryDirectory(prefix="relay-") as name:
        folder = Path(name)
        certificates = certificates_in(folder)
        port = free_port()
        socket = f"{sockets}/.s.PGSQL.{server_port}"
        files = certificates.server_certificate, certificates.server_key
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.byte_relay", str(port), socket, *files]
        ) as process:
            try:
                wait_until_listening(port)
                yield connection_strings(port, user, certificates)
            finally:
                process.terminate()


def main() -> None:
    """Serve until the process is terminated."""
    port, socket, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["postgresql"])
    uvloop.run(_serve(int(port), socket, context))


if __name__ == "__main__":
    main()
