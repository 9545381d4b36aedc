"""Options that commands share, the cluster they name, and how a command ends."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_runtime.location import local_folder
from dsql_dialect.profiles import DEFAULT, NAMES
from local_dsql.client.launch import connect
from local_dsql.cluster import LocalCluster
from local_dsql.errors import LocalDatabaseError
from local_dsql.storage.folder import DEFAULT_FOLDER, Folder

if TYPE_CHECKING:
    from collections.abc import Callable


class ExitCode(enum.IntEnum):
    """How a command ended."""

    OK = 0
    USAGE = 2
    UNREACHABLE = 4


class Failure(click.ClickException):
    """A command that could not reach or start its cluster."""

    exit_code = ExitCode.UNREACHABLE


def _projects_folder(directory: Path) -> Path:
    """Return the folder that `blocks` and the runtime take in `directory`; relative where it lies below it.

    A folder of its own in a folder within the project would be taken for another project's from then on.
    """
    found = local_folder("main", directory)
    return found.relative_to(directory) if found.is_relative_to(directory) else found


path_option = click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: _projects_folder(Path.cwd()),
    show_default=f"{DEFAULT_FOLDER} in the project",
    help="Folder of the cluster.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_CLUSTER_OPTIONS = (
    path_option,
    click.option("--region", "regions", multiple=True, help="Region with an endpoint; may be repeated."),
    click.option(
        "--dialect",
        type=click.Choice(NAMES),
        metavar="NAME",
        help=f"Accepted SQL: {' or '.join(NAMES)} (default: {DEFAULT.name}).",
    ),
    click.option(
        "--commit-latency", type=click.FloatRange(min=0), help="Seconds that a COMMIT takes longer."
    ),
    json_option,
)


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which cluster, and how it is served."""
    for option in reversed(_CLUSTER_OPTIONS):  # a decorator puts its option before those already there
        command = option(command)
    return command


def started(
    path: Path,
    regions: tuple[str, ...] = (),
    dialect: str | None = None,
    commit_latency: float | None = None,
) -> LocalCluster:
    """Return the cluster of a folder, started where it does not run yet.

    Raises:
        click.ClickException: it cannot be started so.
    """
    click.echo(f"local cluster in {path}", err=True)
    try:
        return LocalCluster(path, regions=regions, dialect=dialect, commit_latency=commit_latency).start()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except LocalDatabaseError as error:
        raise Failure(str(error)) from None


def running(path: Path) -> LocalCluster:
    """Return the cluster of a folder, which must run: what the command is about ends with the server.

    Raises:
        click.ClickException: it does not run.
    """
    connection = connect(Folder.at(path))
    if connection is None:
        raise Failure(
            f"no local cluster is running in {path}\n  why: injections and the conflict log live in its server"
            "\n  do:  start it with `local-dsql start` or from your program, or name its folder (--path)"
        )
    connection.close()
    return started(path)
