"""Shared options and exit codes of `local-dsql`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_settings import DIALECT, Settings
from blocks_settings.keys import HIGHEST_PORT
from dsql_dialect.profiles import NAMES
from local_dsql.cli.errors import Failure
from local_dsql.client.launch import connect
from local_dsql.cluster import LocalCluster
from local_dsql.errors import FolderError, LocalDatabaseError, ServerError
from local_dsql.exit_codes import ExitCode
from local_dsql.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable


def _projects_folder(directory: Path, database: str | None) -> Path:
    """Return the cluster's folder that `blocks` and the runtime use in `directory`; relative if it is below it.

    Any other folder inside the project would make `directory` look like the root of another project.
    """
    settings = Settings.of(directory)
    found = settings.database_folder if database is None else settings.folder_of(database)
    return found.relative_to(directory) if found.is_relative_to(directory) else found


_CHOSEN = "local_dsql.database"
"""Key of the option `--database` in the context of a command."""


def _choose(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    del parameter
    context.meta[_CHOSEN] = value


def path_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select a cluster; the command gets its folder as `path`."""
    command = click.option(
        "--database",
        metavar="ID",
        is_eager=True,  # the default of --path needs it
        expose_value=False,
        callback=_choose,
        help="Id of the DistributedDatabase, instead of --path (default: that of the settings).",
    )(command)
    return click.option(
        "--path",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: _projects_folder(Path.cwd(), click.get_current_context().meta.get(_CHOSEN)),
        show_default="that of the project's database, such as .blocks/local/main",
        help="Folder of the cluster.",
    )(command)


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
    click.option(
        "--port",
        type=click.IntRange(1, HIGHEST_PORT),
        metavar="NUMBER",
        help="Port of the first Region; further Regions have the next ones (default: a free one, which is kept).",
    ),
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
    port: int | None = None,
) -> LocalCluster:
    """Return the cluster of a folder; start it if it is not running.

    Raises:
        click.ClickException: it cannot be started with these options.
    """
    click.echo(f"local cluster in {path}", err=True)
    try:
        cluster = LocalCluster(
            path, regions=regions, dialect=dialect, commit_latency=commit_latency, port=port
        ).start()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except LocalDatabaseError as error:
        raise Failure(error) from None
    for each in cluster.status.moves():
        click.echo(f"note: {each}", err=True)
    return cluster


def existing(path: Path, regions: tuple[str, ...] = ()) -> LocalCluster:
    """Return the cluster of a folder, which must have been created; start it if it is not running.

    Raises:
        click.ClickException: there is none, or it cannot be started.
    """
    if not Folder.at(path).has_cluster:
        raise Failure(
            FolderError(
                f"there is no local cluster in {path}",
                "the folder does not exist, or has no cluster.json",
                "create it with `local-dsql start`, `blocks up` or `blocks deploy --local`, or pass another --path",
            ),
            ExitCode.USAGE,
        )
    return started(path, regions)


def running(path: Path) -> LocalCluster:
    """Return the cluster of a folder, which must be running: port, injections and conflict log are the server's.

    Raises:
        click.ClickException: it is not running.
    """
    connection = connect(Folder.at(path))
    if connection is None:
        raise Failure(
            ServerError(
                f"no local cluster is running in {path}",
                "port, injections and conflict log are those of a running server",
                "start it with `local-dsql start` or from your program, or pass its folder with --path",
            )
        )
    connection.close()
    return started(path)
