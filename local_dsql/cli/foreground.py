"""`python -m local_dsql`: serve a cluster until Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from local_dsql.cli.errors import ExplainedCommand, Failure
from local_dsql.cli.options import cluster_options, started
from local_dsql.client.launch import connect, stopped_error

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql.cluster import LocalCluster
    from local_dsql.storage.folder import Folder


@click.command(cls=ExplainedCommand)
@cluster_options
def serve(
    path: Path,
    regions: tuple[str, ...],
    dialect: str | None,
    commit_latency: float | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Serve a local Aurora DSQL cluster until Ctrl-C.

    Prints one connection string a Region, for psql and any driver, valid for a week.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with started(path, regions, dialect, commit_latency, port) as cluster:
            print_connections(cluster, as_json)
            sys.stdout.flush()
            click.echo("ready; Ctrl-C stops it", err=True)
            _wait(cluster.folder)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def print_connections(cluster: LocalCluster, as_json: bool) -> None:
    """Print one connection string for each Region, or a JSON object from Region to connection string."""
    connections = {region: cluster.dsn(region) for region in cluster.regions}
    click.echo(json.dumps(connections) if as_json else "\n".join(connections.values()))


def _wait(folder: Folder) -> None:
    """Wait until the server ends.

    Raises:
        Failure: the server has ended; Ctrl-C ends the wait first.
    """
    connection = connect(folder)
    if connection is not None:
        connection.wait_for_end()
    raise Failure(stopped_error(folder, "the local database has stopped"))


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
