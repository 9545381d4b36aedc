"""Test support for apps: apply the app's migrations to the local cluster of a test.

@pytest.fixture
def cluster(dsql):
    migrate(dsql, "migrations")
    return dsql
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_dsql import LocalCluster
    from migration_manifest import Manifest

__all__ = ["migrate"]


def migrate(cluster: LocalCluster, migrations: str | Path = "migrations") -> tuple[str, ...]:
    """Apply the pending migrations of a folder, as a deploy does, and return their names.

    The SQL dialect is that of the cluster. No grants are made: log in as `admin`, or deploy the app with
    `blocks_cli.local.LocalDeployment` to test grants.

    Raises:
        MigrationErrors: files of the folder are invalid; lists all findings with their places.
        MigrationFailedError: a statement failed, or the files contradict the journal of the cluster.
    """
    from blocks_cli.database.login import Login
    from blocks_cli.migrations.runs import run_name
    from lambda_migrator.migrate import migrate as apply

    folder = Path(migrations).resolve()
    manifest = _compiled(folder, cluster.status.dialect, _stamp(folder))
    with Login.local(cluster).admin().open() as admin:
        return apply(admin, manifest, database="main", holder=run_name()).applied


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return a value that changes if a file of the folder does."""
    found = ((file.name, file.stat()) for file in sorted(folder.glob("*")))
    return tuple((name, seen.st_mtime_ns, seen.st_size) for name, seen in found)


@functools.lru_cache(maxsize=8)
def _compiled(folder: Path, dialect: str, stamp: object) -> Manifest:
    """Compile a folder once for all tests, unless one of its files changes."""
    del stamp
    from dsql_dialect.migrations import compile_folder
    from dsql_dialect.profiles import profile

    return compile_folder(folder, profile(dialect))
