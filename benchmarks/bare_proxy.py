"""The proxy and its PostgreSQL in one process, with additional endpoints to measure the cost of each part.

`python -m benchmarks.bare_proxy` prints one line of JSON, libpq parameters by endpoint, and runs until its standard
input ends:

- `tcp` and `socket`: PostgreSQL itself, in plain text, over TCP and over its unix socket;
- `tls`: the proxy as in a cluster;
- `plain`: the proxy without TLS, which a cluster refuses.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from local_dsql.postgres.settings import SETTINGS
from local_dsql.proxy.connection import ClientConnection
from local_dsql.proxy.listener import Endpoint
from local_dsql.wire import messages
from tests.local_dsql.proxy.cluster import REGION, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    Endpoints = dict[str, dict[str, str | int]]


class PlainConnection(ClientConnection):
    """A client connection without TLS."""

    @property
    def server_name(self) -> str | None:
        """Server name of the TLS handshake; there is none here."""
        return "localhost"

    def _begin(self, code: int, body: bytes) -> None:
        if code == messages.SSL_REQUEST:
            self.send(b"N")
        else:
            self._begin_login(body)


def main() -> None:
    port = _free_port()
    cluster = Cluster(settings=SETTINGS | {"listen_addresses": "127.0.0.1"}, port=port)
    try:
        plain = Endpoint(cluster.front, REGION, cluster.front.tls, serve=PlainConnection)
        cluster.run(plain.open(0))
        postgres = {"user": "postgres", "dbname": "postgres", "sslmode": "disable", "port": port}
        tls = cluster.parameters()
        gc.freeze()  # as local_dsql.server.__main__ does
        endpoints = {
            "tcp": postgres | {"host": "127.0.0.1"},
            "socket": postgres | {"host": str(cluster.sockets)},
            "tls": tls,
            "plain": tls | {"port": plain.port, "sslmode": "disable"},
        }
        print(json.dumps(endpoints), flush=True)
        sys.stdin.read()
    finally:
        cluster.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running() -> Iterator[Endpoints]:
    """Run it in a process of its own and yield its endpoints."""
    command = [sys.executable, "-m", "benchmarks.bare_proxy"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield cast("Endpoints", json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(30)


if __name__ == "__main__":
    main()
