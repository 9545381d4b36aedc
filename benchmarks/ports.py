"""Ports on loopback for the servers of the benchmarks."""

from __future__ import annotations

import socket
import time

_PATIENCE = 10
"""Seconds to wait until a server listens."""


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until_listening(port: int) -> None:
    """Wait until a server accepts connections.

    Raises:
        OSError: it does not within some seconds.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
