"""Migrations of an app in the local cluster of a test: applied, or copied from a snapshot that has them."""

from __future__ import annotations

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

    manifest = _compiled(Path(migrations), cluster.status.dialect)
    with Login.local(cluster).admin().open() as admin:
        return apply(admin, manifest, database="main", holder=run_name()).applied


class MigratedDatabase:
    """The database of a cluster with all migrations of a folder, made anew for each test.

    The migrations are applied once, and then kept as a snapshot of the cluster: a copy takes the same time however
    many there are. Tests of a later session use it, too, until a file or this library changes.
    """

    def __init__(self, cluster: LocalCluster, migrations: str | Path) -> None:
        """Name the snapshot of the folder; nothing is compiled or applied yet."""
        self._cluster = cluster
        self._folder = Path(migrations)
        self._snapshot = f"migrations {cluster.status.dialect} {_digest(self._folder)}"

    def restore(self) -> None:
        """Replace the database by one with the migrations and nothing else.

        Raises:
            MigrationErrors: files of the folder are invalid.
            MigrationFailedError: a migration failed.
        """
        if not self._cluster.restore_snapshot(self._snapshot):
            self._cluster.reset()
            migrate(self._cluster, self._folder)
            self._cluster.save_snapshot(self._snapshot)


def _digest(folder: Path) -> str:
    """Return a digest of the files of a folder, and of the packages that read and apply them.

    It stands for the compiled migrations, and needs no parser, whose import takes longer than a test.
    """
    import hashlib

    import dsql_dialect
    import lambda_migrator
    import migration_manifest

    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(repr((str(path.relative_to(folder)), content)).encode())
    for package in (dsql_dialect, lambda_migrator, migration_manifest):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            seen = path.stat()
            digest.update(repr((path.name, seen.st_mtime_ns, seen.st_size)).encode())
    return digest.hexdigest()


def _compiled(folder: Path, dialect: str) -> Manifest:
    from dsql_dialect.migrations import compile_folder
    from dsql_dialect.profiles import profile

    return compile_folder(folder, profile(dialect))
