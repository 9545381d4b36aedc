"""The local database listens on loopback addresses only, on every port that it opens."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import processes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster

LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (Linux, include/net/tcp_states.h)."""


def listening(
    table: Path, inodes: set[str]
) -> Iterator[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Yield address and port of the listening sockets of a table that have one of these inodes."""
    for line in table.read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTEN and fields[9] in inodes:
            address, port = fields[1].split(":")
            words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
            yield ipaddress.ip_address(b"".join(words)), int(port, 16)


def inodes_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process has open."""
    links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_listening_socket_is_on_loopback(shared_cluster: LocalCluster) -> None:
    """Proxy and PostgreSQL: all TCP sockets of all processes of the folder, IPv4 and IPv6."""
    inodes = {
        inode for process in processes_of(shared_cluster.folder.path) for inode in inodes_of(process.pid)
    }
    sockets = [
        socket
        for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
        if table.exists()
        for socket in listening(table, inodes)
    ]
    ports = {int(shared_cluster.endpoint(region).rpartition(":")[2]) for region in ("us-east-1", "us-east-2")}
    assert {port for _, port in sockets} == ports
    assert [address for address, _ in sockets if not address.is_loopback] == []
