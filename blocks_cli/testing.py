"""For the tests of an app: its migrations in the local cluster of a test.

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
    """Apply what is pending of a folder of migrations, as a deploy does, and return the names of what was applied.

    The dialect is the one that the cluster is served in. Nobody is let in: log in as `admin`, or deploy the app with
    `blocks_cli.local.LocalDeployment` where grants are to be tested.

    Raises:
        MigrationErrors: the folder has faults; all of them, each with its place.
        MigrationFailedError: a statement was refused, or the files do not fit what the cluster has.
    """
    from blocks_cli.database.login import Login
    from blocks_cli.migrations.runs import run_name
    from lambda_migrator.migrate import migrate as apply

    folder = Path(migrations).resolve()
    manifest = _compiled(folder, cluster.status.dialect, _stamp(folder))
    with Login.local(cluster).admin().open() as admin:
        return apply(admin, manifest, database="main", grants=None, holder=run_name()).applied


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file does."""
    found = ((file.name, file.stat()) for file in sorted(folder.glob("*")))
    return tuple((name, seen.st_mtime_ns, seen.st_size) for name, seen in found)


@functools.lru_cache(maxsize=8)
def _compiled(folder: Path, dialect: str, stamp: object) -> Manifest:
    """Compile a folder once for all tests, unless a file of it changes."""
    del stamp
    from dsql_dialect.migrations import compile_folder
    from dsql_dialect.profiles import profile

    return compile_folder(folder, profile(dialect))
