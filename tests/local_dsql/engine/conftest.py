"""A PostgreSQL server for the tests of the engine, and engines over it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.engine.laboratory import Laboratory, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with the catalog."""
    server = Server()
    try:
        asyncio.run(server.build())
        yield server
    finally:
        server.stop()


@pytest.fixture(params=[False, True], ids=["on demand", "suspend always"])
def laboratory(server: Server, request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    """An engine, with and without suspending every transaction after each statement."""
    laboratory = Laboratory(server, suspend_always=request.param)
    yield laboratory
    laboratory.close()
