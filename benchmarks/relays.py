"""Ports on loopback, certificates and connection strings for the relays in front of a PostgreSQL."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from local_dsql.access import ClusterName, new_identifier
from local_dsql.tls import CertificateStore

if TYPE_CHECKING:
    from pathlib import Path

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


def certificates_in(folder: Path) -> CertificateStore:
    """Return certificates for localhost, made in a folder."""
    certificates = CertificateStore(folder, folder / "ca.pem", ClusterName(new_identifier()).identifier)
    certificates.ensure(["localhost"])
    return certificates


def connection_strings(port: int, user: str, certificates: CertificateStore) -> tuple[str, str]:
    """Return the connection strings of a relay: over TLS, in plain text."""
    common = f"host=localhost hostaddr=127.0.0.1 port={port} user={user} dbname=postgres"
    return (
        f"{common} sslmode=verify-full sslrootcert={certificates.authority_file}",
        f"{common} sslmode=disable",
    )
