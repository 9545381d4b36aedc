"""pytest fixtures: a local cluster per session, a new database per test. Active once the package is installed.

    import psycopg
    import pytest

    def test_transfer_is_refused_after_a_conflict(dsql):
        with psycopg.connect(dsql.dsn()) as connection:
            connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, balance int)")
            connection.commit()
            connection.execute("INSERT INTO accounts VALUES (1, 100)")
            dsql.inject("OC000", table="accounts")
            with pytest.raises(psycopg.errors.SerializationFailure):
                connection.commit()
        (conflict,) = dsql.conflicts()
        assert (conflict.code, conflict.tables) == ("OC000", ("accounts",))

The database of `dsql` has the app's migrations (`blocks_cli.pytest_plugin`), that of `dsql_empty` has nothing. The ini
options `dsql_dialect`, `dsql_regions` (default us-east-1) and `dsql_migrations` configure them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql.cluster import LocalCluster

pytest_plugins = ["blocks_cli.pytest_plugin"]
"""Fixtures of the same package that need the migrations of an app: `dsql`, `blocks_app`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("dsql_dialect", "SQL dialect of the local Aurora DSQL", default="")
    parser.addini("dsql_migrations", "folder of the app's migrations (default: migrations)", default="")
    parser.addini(
        "dsql_regions", "Regions of the local Aurora DSQL (default: us-east-1)", type="args", default=[]
    )


@pytest.fixture(scope="session")
def dsql_cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCluster]:
    """Local cluster of this session, or of this pytest-xdist worker.

    It is stored in pytest's cache, so that the next start is fast; the tests own its content.
    """
    # Imported here: every pytest run imports this module, few need a cluster.
    import os
    import shutil

    from local_dsql.client.launch import DEFAULT_DIALECT, DEFAULT_REGIONS
    from local_dsql.cluster import LocalCluster
    from local_dsql.errors import FolderError

    name = f"local-dsql-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    cached = pytestconfig.pluginmanager.has_plugin("cacheprovider") and pytestconfig.cache
    try:
        folder = cached.mkdir(name) if cached else tmp_path_factory.mktemp(name)
    except OSError:  # the project is read-only, as in some containers
        folder = tmp_path_factory.mktemp(name)
    cluster = LocalCluster(
        folder,
        regions=pytestconfig.getini("dsql_regions") or DEFAULT_REGIONS,
        dialect=pytestconfig.getini("dsql_dialect") or DEFAULT_DIALECT,
    )
    try:
        cluster.start()
    except FolderError:  # made by another version; it is only a cache
        shutil.rmtree(folder)
        cluster.start()
    with cluster:
        yield cluster


@pytest.fixture
def dsql_empty(dsql_cluster: LocalCluster) -> LocalCluster:
    """The cluster with an empty database; ports and credentials stay the same.

    Effects of the previous test are undone: a stopped server or Region is started, injections are disarmed.
    """
    cluster = undisturbed(dsql_cluster)
    cluster.reset()
    return cluster


def undisturbed(cluster: LocalCluster) -> LocalCluster:
    """Return the cluster with its server and Regions running, and jobs without delay."""
    cluster.start()
    cluster.delay_jobs(0)
    for region in cluster.status.stopped_regions:
        cluster.start_region(region)
    return cluster
