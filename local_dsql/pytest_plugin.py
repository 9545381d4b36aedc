"""pytest fixtures: a local cluster a session, a fresh database a test.

    pytest_plugins = ["local_dsql.pytest_plugin"]      # in the top conftest.py

    def test_transfer(dsql):
        with psycopg.connect(dsql.dsn()) as connection: ...

The ini options `dsql_dialect` and `dsql_regions` say how the cluster is served.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from local_dsql.cluster import LocalCluster
from local_dsql.errors import FolderError

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("dsql_dialect", "profile that the local Aurora DSQL accepts", default="portable")
    parser.addini("dsql_regions", "Regions of the local Aurora DSQL", type="args", default=["us-east-1"])


@pytest.fixture(scope="session")
def dsql_cluster(pytestconfig: pytest.Config) -> Iterator[LocalCluster]:
    """A local cluster of this session, or of this worker of pytest-xdist.

    It is kept in pytest's cache, so that it starts warm the next time; what is in it belongs to the tests.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir(f"local-dsql-{worker}")
    cluster = LocalCluster(
        folder, regions=pytestconfig.getini("dsql_regions"), dialect=pytestconfig.getini("dsql_dialect")
    )
    try:
        cluster.start()
    except FolderError:  # made by another version: nothing in it is worth an error
        shutil.rmtree(folder)
        cluster.start()
    with cluster:
        yield cluster


@pytest.fixture
def dsql(dsql_cluster: LocalCluster) -> LocalCluster:
    """The cluster with an empty database, in some tens of milliseconds; ports and keys stay the same."""
    dsql_cluster.reset()
    return dsql_cluster
