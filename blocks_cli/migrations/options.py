"""Options shared by the commands on migrations."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli.migrations.target_options import DEFAULT_DATABASE, TargetOptions
from dsql_dialect.profiles import DEFAULT, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

folder = click.option(
    "--migrations",
    "folder",
    type=click.Path(path_type=Path),
    envvar="BLOCKS_MIGRATIONS",
    help="Folder of the migrations (default: migrations/ in the project).",
)
dialect = click.option(
    "--dialect",
    type=click.Choice(NAMES),
    envvar="BLOCKS_DIALECT",
    metavar="NAME",
    help=f"SQL dialect: {', '.join(NAMES)} (default: {DEFAULT.name}).",
)
exit_code = click.option(
    "--exit-code", is_flag=True, help="Exit with 1 if migrations are pending or have drifted."
)
to = click.option("--to", type=int, metavar="NUMBER", help="Number of the last migration to include.")
wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Maximum time to wait for another migrator.",
)
_TARGET_OPTIONS = (
    click.option("--database", help=f"Id of the DistributedDatabase (default: {DEFAULT_DATABASE})."),
    click.option("--stack", metavar="NAME", help="Use the cluster of this stack on AWS (needs boto3)."),
    click.option("--local", is_flag=True, help="With --stack: the stack deployed on this machine."),
    click.option("--endpoint", metavar="HOST", help="Use the cluster with this host name."),
    click.option("--region", help="Region of stack or cluster (default: from the AWS configuration)."),
)


def target_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that say which database; the command gets them as `target_options`."""

    @functools.wraps(command)
    def with_target(
        *arguments: object,
        database: str | None,
        stack: str | None,
        local: bool,
        endpoint: str | None,
        region: str | None,
        **options: object,
    ) -> object:
        return command(
            *arguments, target_options=TargetOptions.of(database, stack, local, endpoint, region), **options
        )

    result: Callable[..., object] = with_target
    for option in reversed(_TARGET_OPTIONS):
        result = option(result)
    return result
