"""Shared options and exit codes of `local-dsql`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_settings import DIALECT, Settings
from dsql_dialect.profiles import NAMES
from local_dsql.client.launch import connect
from local_dsql.cluster import LocalCluster
from local_dsql.errors import LocalDatabaseError
from local_dsql.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable


class ExitCode(enum.IntEnum):
    """Exit codes."""

    OK = 0
    USAGE = 2
    UNREACHABLE = 4


class Failure(click.ClickException):
    """The command could not reach or start its cluster."""

    exit_code = ExitCode.UNREACHABLE


def _projects_folder(directory: Path) -> Path:
    """Return the cluster's folder that `blocks` and the runtime use in `directory`; relative if it is below it.

    Any other folder inside the project would make `directory` look like the root of another project.
    """
    found = Settings.of(directory).database_folder
    return found.relative_to(directory) if found.is_relative_to(directory) else found


path_option = click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: _projects_folder(Path.cwd()),
    show_default="that of the project's database, such as .blocks/local/main",
    help="Folder of the cluster.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_CLUSTER_OPTIONS = (
    path_option,
    click.option("--region", "regions", multiple=True, help="Region of an endpoint; may be repeated."),
    click.option(
        "--dialect",
        type=click.Choice(NAMES),
        metavar="NAME",
        help=f"{DIALECT.help[:-1]} (default: that of the settings).",
    ),
    click.option("--commit-latency", type=click.FloatRange(min=0), help="Seconds added to each COMMIT."),
    json_option,
)


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for the cluster and its server."""
    for option in reversed(_CLUSTER_OPTIONS):  # a decorator adds its option before the existing ones
        command = option(command)
    return command


def started(
    path: Path,
    regions: tuple[str, ...] = (),
    dialect: str | None = None,
    commit_latency: float | None = None,
) -> LocalCluster:
    """Return the cluster of a folder; start it if it is not running.

    Raises:
        click.ClickException: it cannot be started with these options.
    """
    click.echo(f"local cluster in {path}", err=True)
    try:
        return LocalCluster(path, regions=regions, dialect=dialect, commit_latency=commit_latency).start()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except LocalDatabaseError as error:
        raise Failure(str(error)) from None


def running(path: Path) -> LocalCluster:
    """Return the cluster of a folder, which must be running: injections and conflict log end with the server.

    Raises:
        click.ClickException: it is not running.
    """
    connection = connect(Folder.at(path))
    if connection is None:
        raise Failure(
            f"no local cluster is running in {path}\n  why: the running server keeps injections and the conflict log"
            "\n  do:  start it with `local-dsql start` or from your program, or pass its folder with --path"
        )
    connection.close()
    return started(path)
