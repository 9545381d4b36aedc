"""Migrations of an app in the local cluster of a test: applied, or copied from a snapshot that has them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_dsql import LocalCluster
    from migration_manifest import Manifest

__all__ = ["MigratedDatabase", "migrate"]


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

    manifest = _manifest(cluster, Path(migrations))
    with Login.local(cluster).admin().open() as admin:
        return apply(admin, manifest, database="main", holder=run_name()).applied


class MigratedDatabase:
    """The database of a cluster with all migrations of a folder, made anew for each test.

    The migrations are applied once, and then kept as a snapshot of the cluster: a copy takes the same time however
    many there are. Tests of a later session use it, too, until a file changes.
    """

    def __init__(self, cluster: LocalCluster, migrations: str | Path) -> None:
        """Compile the folder; nothing is applied yet.

        Raises:
            MigrationErrors: files of the folder are invalid.
        """
        self._cluster = cluster
        self._folder = Path(migrations)
        self._snapshot = f"migrations {_manifest(cluster, self._folder).digest}"
        self._checked = False

    def restore(self) -> None:
        """Replace the database by one with the migrations and nothing else.

        Raises:
            MigrationFailedError: a migration failed.
        """
        if not self._cluster.restore_snapshot(self._snapshot):
            self._cluster.reset()
            self._checked = False
        if not self._checked:  # another version may have made the snapshot, and its journal
            migrate(self._cluster, self._folder)
            self._cluster.save_snapshot(self._snapshot)
            self._checked = True


def _manifest(cluster: LocalCluster, folder: Path) -> Manifest:
    return _compiled(folder.resolve(), cluster.status.dialect, _stamp(folder))


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
