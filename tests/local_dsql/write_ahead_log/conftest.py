"""One server for the tests that do it no harm, with a database of its own for each module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.write_ahead_log.schema import make_database
from tests.local_dsql.write_ahead_log.servers import running
from tests.local_dsql.write_ahead_log.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.write_ahead_log.servers import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("log"), settings={"wal_keep_size": "1GB"}) as server:
        yield server


@pytest.fixture(scope="session")
def shapes(server: Server) -> str:
    """A database with the tables of `schema`, in which tests commit nothing."""
    make_database(server, "shapes")
    return "shapes"


@pytest.fixture
def watched(server: Server, shapes: str) -> Iterator[Watched]:
    """Sessions in the database of shapes."""
    yield from _watched(server, shapes)


@pytest.fixture
def fresh(server: Server) -> Iterator[Watched]:
    """Sessions in a database of the test's own, with the tables of `schema`."""
    make_database(server, "fresh")
    yield from _watched(server, "fresh")


def _watched(server: Server, dbname: str) -> Iterator[Watched]:
    watched = Watched(server, dbname)
    yield watched
    watched.close()
