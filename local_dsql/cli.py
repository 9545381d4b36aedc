"""The command line: `local-dsql`, and `python -m local_dsql` for a cluster in the foreground.

What other programs read goes to standard output, everything else to standard error. Exit codes: 0 done,
2 wrong usage, 4 the cluster cannot be reached or started.
"""

from __future__ import annotations

import enum
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from local_dsql.cluster import LocalCluster, stop_server
from local_dsql.errors import LocalDatabaseError
from local_dsql.folder import DEFAULT_FOLDER, Folder
from local_dsql.launch import connect, gone
from local_dsql.status import ClusterStatus

if TYPE_CHECKING:
    from collections.abc import Callable


class ExitCode(enum.IntEnum):
    """How a command ended."""

    OK = 0
    USAGE = 2
    UNREACHABLE = 4


class _Failure(click.ClickException):
    exit_code = ExitCode.UNREACHABLE


path_option = click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="Folder of the cluster.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which cluster, and how it is served."""
    for option in (
        path_option,
        click.option("--region", "regions", multiple=True, help="Region with an endpoint; may be repeated."),
        click.option("--dialect", help="Profile of what is accepted: portable (default) or 2026-09."),
        click.option(
            "--commit-latency", type=click.FloatRange(min=0), help="Seconds that a COMMIT takes longer."
        ),
    ):
        command = option(command)
    return command


def _cluster(
    path: Path, regions: tuple[str, ...], dialect: str | None, commit_latency: float | None
) -> LocalCluster:
    click.echo(f"local cluster in {path}", err=True)
    try:
        return LocalCluster(path, regions=regions, dialect=dialect, commit_latency=commit_latency).start()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except LocalDatabaseError as error:
        raise _Failure(str(error)) from None


@click.command()
@cluster_options
def serve(path: Path, regions: tuple[str, ...], dialect: str | None, commit_latency: float | None) -> None:
    """Serve a local Aurora DSQL cluster until Ctrl-C.

    Prints one connection string a Region, for psql and any driver, valid for a week.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _cluster(path, regions, dialect, commit_latency) as cluster:
            for region in cluster.regions:
                click.echo(cluster.dsn(region))
            sys.stdout.flush()
            click.echo("ready; Ctrl-C stops it", err=True)
            _wait(cluster.folder)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _wait(folder: Folder) -> None:
    """Return when the server has been told to stop by somebody else; fail when it broke down."""
    connection = connect(folder)
    if connection is not None:
        connection.wait_for_end()
    raise _Failure(str(gone(folder, "the local database has stopped")))


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


@click.group()
def main() -> None:
    """A local Aurora DSQL cluster."""


@main.command()
@cluster_options
@json_option
def start(
    path: Path, regions: tuple[str, ...], dialect: str | None, commit_latency: float | None, as_json: bool
) -> None:
    """Start the cluster in the background; it runs until `local-dsql stop`."""
    with _cluster(path, regions, dialect, commit_latency) as cluster:
        cluster.pin()
        connections = {region: cluster.dsn(region) for region in cluster.regions}
    click.echo(json.dumps(connections, indent=1) if as_json else "\n".join(connections.values()))


@main.command()
@path_option
def stop(path: Path) -> None:
    """Stop the cluster, whoever uses it; its data stays."""
    stopped = stop_server(path)
    click.echo(f"local cluster in {path}: {'stopped' if stopped else 'was not running'}", err=True)


@main.command()
@path_option
@json_option
def status(path: Path, as_json: bool) -> None:
    """Say whether the cluster runs, and where."""
    found = _status(Folder.at(path))
    if as_json:
        click.echo(json.dumps(_describe(found), indent=1))
    elif found is None:
        click.echo(f"{path}: not running")
    else:
        click.echo(f"{path}: process {found.pid}, cluster {found.identifier}, dialect {found.dialect}")
        for region, port in found.ports.items():
            click.echo(f"{region}: localhost:{port}{' (stopped)' if region in found.stopped_regions else ''}")


def _status(folder: Folder) -> ClusterStatus | None:
    connection = connect(folder)
    if connection is None:
        return None
    try:
        return ClusterStatus.read(connection.call("status", {}))
    except OSError:
        return None
    finally:
        connection.close()


def _describe(found: ClusterStatus | None) -> dict[str, object]:
    """What may be shown of a status: everything but the keys."""
    if found is None:
        return {"running": False}
    return {
        "running": True,
        "pid": found.pid,
        "identifier": found.identifier,
        "dialect": found.dialect,
        "commit_latency": found.commit_latency,
        "ports": dict(found.ports),
        "stopped_regions": list(found.stopped_regions),
    }


@main.command()
@path_option
def reset(path: Path) -> None:
    """Empty the database: tables, roles and mappings go; endpoints and keys stay."""
    with _cluster(path, (), None, None) as cluster:
        cluster.reset()
    click.echo("the database is empty", err=True)


@main.command(context_settings={"ignore_unknown_options": True})
@path_option
@click.option("--region", help="Region to connect to; the default is the first.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(path: Path, region: str | None, arguments: tuple[str, ...]) -> None:
    """Run psql as admin; ARGUMENTS are psql's own."""
    program = shutil.which("psql")
    if program is None:
        raise click.UsageError(
            "psql is not installed; any other client works with the line of `local-dsql start`"
        )
    with _cluster(path, (region,) if region else (), None, None) as cluster:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql, which cancels its query
        # by environment: a token among the arguments could be read by every user of the machine
        environment = os.environ | cluster.libpq_environment(region)
        sys.exit(subprocess.run([program, *arguments], env=environment, check=False).returncode)
