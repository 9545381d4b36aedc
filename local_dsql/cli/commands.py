"""`local-dsql start|stop|status|reset|psql`: control a cluster in the background."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from local_dsql.cli.conflicts import conflicts
from local_dsql.cli.connect import dsn, env, url
from local_dsql.cli.errors import CommandLine, Failure
from local_dsql.cli.foreground import print_connections
from local_dsql.cli.inject import inject
from local_dsql.cli.options import cluster_options, existing, json_option, path_option, started
from local_dsql.client.launch import connect
from local_dsql.cluster import stop_server
from local_dsql.control.status import ClusterStatus
from local_dsql.errors import LocalDatabaseError
from local_dsql.exit_codes import ExitCode
from local_dsql.storage.folder import Folder

if TYPE_CHECKING:
    from pathlib import Path


_OF_OTHERS = (ExitCode.PENDING, ExitCode.MIGRATION_FAILED, ExitCode.INVOCATION_FAILED)
_CODES = [code for code in ExitCode if code not in _OF_OTHERS]
_EXIT_CODES = "\n".join(["\b\nExit codes:", *(f"  {code.value}  {code.meaning}" for code in _CODES)])


@click.group(cls=CommandLine, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="blocks-dsql", prog_name="local-dsql")
def main() -> None:
    """Run a local Aurora DSQL cluster in the background and inject faults into it."""


main.add_command(inject)
main.add_command(conflicts)
main.add_command(env)
main.add_command(dsn)
main.add_command(url)


@main.command(short_help="Start the cluster in the background.")
@cluster_options
def start(
    path: Path,
    regions: tuple[str, ...],
    dialect: str | None,
    commit_latency: float | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Start the cluster in the background; it runs until `local-dsql stop`.

    Prints one connection string a Region, for psql and any driver, valid for a week.
    """
    with started(path, regions, dialect, commit_latency, port) as cluster:
        cluster.pin()
        print_connections(cluster, as_json)


@main.command()
@path_option
@json_option
def stop(path: Path, as_json: bool) -> None:
    """Stop the cluster, also while other processes use it; its data stays."""
    stopped = stop_server(path)
    click.echo(f"local cluster in {path}: {'stopped' if stopped else 'was not running'}", err=True)
    if as_json:
        click.echo(json.dumps({"stopped": stopped}))


@main.command(short_help="Show whether the cluster is running, and its endpoints.")
@path_option
@json_option
def status(path: Path, as_json: bool) -> None:
    """Show whether the cluster is running, and its endpoints; exits with 4 if it is not running."""
    found = _status(Folder.at(path))
    if as_json:
        click.echo(json.dumps(_describe(found)))
    elif found is None:
        known = Folder.at(path).has_cluster
        click.echo(
            f"{path}: {'not running; commands and programs start it on demand' if known else 'no local cluster'}"
        )
    else:
        click.echo(f"{path}: process {found.pid}, cluster {found.identifier}, dialect {found.dialect}")
        for region, port in found.ports.items():
            click.echo(f"{region}: localhost:{port}{' (stopped)' if region in found.stopped_regions else ''}")
    sys.exit(ExitCode.CANNOT_CONNECT if found is None else ExitCode.OK)


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
    """Return a status as JSON, without the credentials."""
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


@main.command(short_help="Empty the database; endpoints and credentials stay.")
@path_option
@json_option
def reset(path: Path, as_json: bool) -> None:
    """Empty the database: drop tables, roles, mappings and injections; keep endpoints and credentials."""
    with existing(path) as cluster:
        cluster.reset()
    click.echo("the database is empty", err=True)
    if as_json:
        click.echo(json.dumps({"reset": True}))


@main.command(
    short_help="Run psql as admin.",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@path_option
@click.option("--region", help="Region to connect to; the default is the first.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(path: Path, region: str | None, arguments: tuple[str, ...]) -> None:
    """Run psql as admin. ARGUMENTS are passed to psql; output and exit code are those of psql."""
    program = shutil.which("psql")
    if program is None:
        raise Failure(
            LocalDatabaseError(
                "psql is not installed",
                "there is no program psql on PATH",
                "install it, or use another client with the connection string of `local-dsql start`",
            ),
            ExitCode.USAGE,
        )
    with existing(path, (region,) if region else ()) as cluster:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql, which cancels its query
        # in the environment: every user of the machine can read the arguments of a process
        environment = os.environ | cluster.libpq_environment(region)
        sys.exit(subprocess.run([program, *arguments], env=environment, check=False).returncode)
