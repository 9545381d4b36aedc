"""One cluster for all tests of the proxy; each test creates its own tables."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from local_dsql.wire import messages
from tests.local_dsql.proxy.cluster import Cluster
from tests.local_dsql.proxy.raw_client import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster in the dialect 2026-09."""
    running = Cluster()
    yield running
    running.close()


@pytest.fixture
def direct(cluster: Cluster) -> Iterator[socket.socket]:
    """A logged-in connection to PostgreSQL itself, without the proxy."""
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(f"{cluster.sockets}/.s.PGSQL.{cluster.postgres.port}")
        connected.sendall(messages.startup({"user": "postgres", "database": "postgres"}))
        read_all(connected)
        yield connected
