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

The database of `dsql` has the app's migrations (`blocks_cli.pytest_plugin`), that of `dsql_empty` has nothing. The
settings of the project configure them, such as `[tool.blocks]` in pyproject.toml, or the ini options `dsql_dialect`,
`dsql_regions` and `dsql_migrations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_dsql.cluster import LocalCluster


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    settings = "default: that of the settings"
    parser.addini("dsql_dialect", f"SQL dialect of the local Aurora DSQL ({settings})", default="")
    parser.addini("dsql_migrations", f"folder of the app's migrations ({settings})", default="")
    parser.addini("dsql_regions", f"Regions of the local Aurora DSQL ({settings})", type="args", default=[])


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

    from blocks_settings import DIALECT, REGIONS, Settings
    from local_dsql.cluster import LocalCluster
    from local_dsql.errors import FolderError

    name = f"local-dsql-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    folder = _cached(pytestconfig, name) or tmp_path_factory.mktemp(name)
    settings = Settings.of(pytestconfig.rootpath)
    regions = tuple(pytestconfig.getini("dsql_regions")) or None
    cluster = LocalCluster(
        folder,
        regions=settings.get(REGIONS, argument=regions).value,
        dialect=settings.get(DIALECT, argument=pytestconfig.getini("dsql_dialect") or None).value,
    )
    try:
        cluster.start()
    except FolderError:  # made by another version; it is only a cache
        shutil.rmtree(folder)
        cluster.start()
    with cluster:
        yield cluster


def _cached(pytestconfig: pytest.Config, name: str) -> Path | None:
    """Return the folder `name` in pytest's cache, or None if there is no cache or it cannot be written."""
    import os

    cache = pytestconfig.pluginmanager.has_plugin("cacheprovider") and pytestconfig.cache
    try:
        folder = cache.mkdir(name) if cache else None
    except OSError:  # a read-only project
        return None
    return folder if folder and os.access(folder, os.W_OK) else None


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
    if cluster.status.job_delay:
        cluster.delay_jobs(0)
    for region in cluster.status.stopped_regions:
        cluster.start_region(region)
    return cluster
