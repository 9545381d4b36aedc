"""Options that the commands on migrations share, each the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., object])

DEFAULT_DATABASE = "main"


@dataclass(frozen=True, slots=True)
class Place:
    """Which database: the local one called `name`, or the cluster at `endpoint` in `region`."""

    name: str = DEFAULT_DATABASE
    endpoint: str | None = None
    region: str | None = None


folder = click.option(
    "--migrations",
    "folder",
    type=click.Path(path_type=Path),
    envvar="BLOCKS_MIGRATIONS",
    help="Folder of the migrations (default: migrations/ in the project).",
)
dialect = click.option(
    "--dialect",
    envvar="BLOCKS_DIALECT",
    help="What DSQL accepts: portable (the default) or 2026-09.",
)
exit_code = click.option(
    "--exit-code", is_flag=True, help="Exit with 1 when something is pending or has drifted."
)
to = click.option("--to", type=int, metavar="NUMBER", help="Number of the last migration to take.")
wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait while another migrator is at work.",
)
_DATABASE = (
    click.option(
        "--database", default=DEFAULT_DATABASE, show_default=True, help="Id of the DistributedDatabase."
    ),
    click.option("--endpoint", metavar="HOST", help="Work on this cluster instead of the local database."),
    click.option("--region", help="Region of the cluster (default: the one in its host name)."),
)


def database(command: F) -> F:
    """Add the options that say which database; the command gets `database`, `endpoint` and `region`."""
    for option in reversed(_DATABASE):
        command = option(command)
    return command
