"""The local clusters of a deployment, running."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from blocks_cli.exits import ExitCode
from blocks_cli.problem import CommandError
from local_dsql import LocalCluster
from local_dsql.cluster import stop_server
from local_dsql.errors import LocalDatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blocks_cli.workspace import Workspace


class Clusters:
    """Running clusters by the name of their folder; each serves one Region."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[LocalCluster, str]] = {}

    def start(self, name: str, region: str, dialect: str | None = None) -> LocalCluster:
        """Return the cluster in folder `name`, started unless it runs in this dialect already.

        Raises:
            CommandError: it cannot be started, or somebody else uses it in another dialect.
        """
        if name in self._running and dialect not in (None, self._running[name][0].status.dialect):
            self.stop(name)
        if name not in self._running:
            cluster = LocalCluster(self._folder / name, regions=(region,), dialect=dialect)
            try:
                cluster.start()
            except LocalDatabaseError as error:
                raise CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT) from error
            self._running[name] = (cluster, region)
        return self._running[name][0]

    def stop(self, name: str) -> None:
        """Let go of a cluster; its server ends when nobody else uses it."""
        if running := self._running.pop(name, None):
            running[0].close()

    def by_arn(self) -> Mapping[str, LocalCluster]:
        """Return the running clusters by their ARN."""
        return {cluster.arn(region): cluster for cluster, region in self._running.values()}

    def ca_files(self) -> Mapping[str, str]:
        """Return, by endpoint, the file with the certificate authority to verify it against."""
        return {
            cluster.endpoint(region): str(cluster.ca_file.resolve())
            for cluster, region in self._running.values()
        }

    def close(self) -> None:
        """Let go of all."""
        for name in [*self._running]:
            self.stop(name)


def wipe(workspace: Workspace) -> None:
    """Delete everything local of a workspace, whatever state it is in: databases, records, unpacked code."""
    if workspace.clusters.is_dir():
        for folder in workspace.clusters.iterdir():
            stop_server(folder)
    shutil.rmtree(workspace.folder, ignore_errors=True)
