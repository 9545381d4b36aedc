"""pytest fixtures for an app: its migrated database, and its handlers with their environment.

    def test_an_account_is_opened(blocks_app):
        assert blocks_app.invoke("functions/accounts.py", {"owner": "ann"}) == {"id": 1}
        assert blocks_app.db.query_value(sql("SELECT count(*) FROM accounts")) == 1

Active once the package is installed. `local_dsql.pytest_plugin` has the fixtures for the cluster itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blocks_cli.testing import App, MigratedDatabase
    from local_dsql import LocalCluster


@pytest.fixture(scope="session")
def dsql_migrated(dsql_cluster: LocalCluster, pytestconfig: pytest.Config) -> MigratedDatabase | None:
    """The migrated database of this session, None if the project has no folder of migrations."""
    folder = _migrations(pytestconfig)
    if folder is None:
        return None
    from blocks_cli.testing import MigratedDatabase

    return MigratedDatabase(dsql_cluster, folder)


@pytest.fixture
def dsql(dsql_cluster: LocalCluster, dsql_migrated: MigratedDatabase | None) -> LocalCluster:
    """The cluster with the app's migrations and no other rows, in some tens of milliseconds; otherwise as `dsql_empty`.

    The database is empty if the project has no folder of migrations.
    """
    from local_dsql.pytest_plugin import undisturbed

    cluster = undisturbed(dsql_cluster)
    if dsql_migrated is None:
        cluster.reset()
    else:
        dsql_migrated.restore()
    return cluster


@pytest.fixture(scope="session")
def dsql_database(pytestconfig: pytest.Config) -> str:
    """The id of the DistributedDatabase of the settings."""
    from blocks_settings import DATABASE, Settings

    return Settings.of(pytestconfig.rootpath).get(DATABASE).value


@pytest.fixture
def blocks_app(
    dsql: LocalCluster,
    dsql_database: str,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[App]:
    """The app of the project: its database with the migrations, its handlers, and their environment variables.

    The handlers log in as `admin`. Their module-level databases connect to the new database of each test.
    """
    from blocks_cli.testing import App

    with App(dsql, pytestconfig.rootpath, dsql_database) as app:
        for name, value in app.environment.items():
            monkeypatch.setenv(name, value)
        yield app


def _migrations(config: pytest.Config) -> Path | None:
    """Return the folder of migrations of the settings; None if there is none and none was named."""
    from blocks_settings import MIGRATIONS, Settings

    named = config.getini("dsql_migrations")
    folder = config.rootpath / named if named else Settings.of(config.rootpath).get(MIGRATIONS).value
    return folder if named or folder.is_dir() else None
