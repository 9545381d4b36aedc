"""The running local clusters of a deployment."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from local_dsql import LocalCluster
from local_dsql.cluster import stop_server
from local_dsql.errors import LocalDatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blocks_cli.workspace import Workspace


class Clusters:
    """Running clusters by folder name; each has an endpoint in one or more Regions.

    `ports` are those of the first Regions, by folder name; other clusters have the port of the settings, or a free one.
    """

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._running: dict[str, LocalCluster] = {}

    def start(self, name: str, region: str, dialect: str | None = None) -> LocalCluster:
        """Return the cluster in the folder `name`; start it unless it runs with this Region and dialect.

        Raises:
            CommandError: it cannot be started, or another process uses it with another dialect.
        """
        running = self._running.get(name)
        regions = running.regions if running else ()
        if running and dialect not in (None, running.status.dialect):
            self.stop(name)
            running = None
        if running is None or region not in regions:
            # Keep the old handle until the new one is attached, so that the server does not stop.
            self._running[name] = self._open(name, (*regions, region), dialect)
            if running:
                running.close()
        return self._running[name]

    def _open(self, name: str, regions: tuple[str, ...], dialect: str | None) -> LocalCluster:
        cluster = LocalCluster(
            self._folder / name, regions=regions, dialect=dialect, port=self._ports.get(name)
        )
        try:
            cluster.start()
        except LocalDatabaseError as error:
            raise CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT) from error
        return cluster

    def get(self, name: str) -> LocalCluster | None:
        """Return the cluster in the folder `name` if it is running."""
        return self._running.get(name)

    def restart_stopped(self) -> list[str]:
        """Start the clusters again whose server has ended; return their folder names.

        Raises:
            CommandError: one cannot be started.
        """
        restarted = []
        for name, cluster in self._running.items():
            before = cluster.status.pid
            try:
                cluster.start()
            except LocalDatabaseError as error:
                raise CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT) from error
            if cluster.status.pid != before:
                restarted.append(name)
        return restarted

    def stop(self, name: str) -> None:
        """Close a cluster; its server ends unless another process uses it."""
        if running := self._running.pop(name, None):
            running.close()

    def by_arn(self) -> Mapping[str, LocalCluster]:
        """Return the running clusters by ARN, with one ARN per Region."""
        return {
            cluster.arn(region): cluster for cluster in self._running.values() for region in cluster.regions
        }

    def ca_files(self) -> Mapping[str, str]:
        """Return the files of the certificate authorities by endpoint."""
        return {
            cluster.endpoint(region): str(cluster.ca_file.resolve())
            for cluster in self._running.values()
            for region in cluster.regions
        }

    def close(self) -> None:
        """Close all clusters."""
        for name in [*self._running]:
            self.stop(name)


def purge_workspace(workspace: Workspace) -> None:
    """Delete all local files of a workspace, in any state: databases, records, unpacked code."""
    if workspace.clusters.is_dir():
        for folder in workspace.clusters.iterdir():
            stop_server(folder)
    shutil.rmtree(workspace.folder, ignore_errors=True)
