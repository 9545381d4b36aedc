"""Options shared by the commands on migrations."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from blocks_cli import console
from blocks_cli.migrations.target_options import TargetOptions
from blocks_settings import DIALECT, MIGRATIONS, Settings
from dsql_dialect.profiles import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

folder = click.option(
    "--migrations",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the migrations (default: that of the settings, else migrations/ in the project).",
)
dialect = click.option(
    "--dialect",
    type=click.Choice(NAMES),
    metavar="NAME",
    help=f"{DIALECT.help[:-1]} (default: that of the settings; see `blocks config`).",
)
exit_code = click.option(
    "--exit-code", is_flag=True, help="Exit with 1 if migrations are pending or have drifted."
)
exit_code_of_differences = click.option(
    "--exit-code", is_flag=True, help="Exit with 1 if the two schemas differ."
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
    click.option("--database", help="Id of the DistributedDatabase (default: that of the settings)."),
    click.option("--stack", metavar="NAME", help="Use the cluster of this stack on AWS (needs boto3)."),
    click.option("--local", is_flag=True, help="With --stack: the stack deployed on this machine."),
    click.option("--endpoint", metavar="HOST", help="Use the cluster with this host name."),
    click.option("--region", help="Region of stack or cluster (default: from the AWS configuration)."),
)


def target_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that say which database; the command gets them as `target_options`.

    The command's options `folder` and `dialect`, if it has them, become the settings of that database.
    """

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
        given = TargetOptions.of(database, stack, local, endpoint, region)
        return command(*arguments, target_options=given, **(options | _set(given, options)))

    result: Callable[..., object] = with_target
    for option in reversed(_TARGET_OPTIONS):
        result = option(result)
    return result


def _set(target: TargetOptions, options: dict[str, object]) -> dict[str, object]:
    """Return the options `folder` and `dialect`, if the command has them, with the settings as defaults."""
    settings = project_settings(target.stack)
    name = target.named(settings)
    found: dict[str, object] = {}
    if "folder" in options:
        found["folder"] = settings.get(MIGRATIONS, name, cast("Path | None", options["folder"])).value
    if "dialect" in options:
        found["dialect"] = settings.get(DIALECT, name, cast("str | None", options["dialect"]))
    return found


def project_settings(stack: str | None = None) -> Settings:
    """Return the settings of the project, for one stack; print a note for each contradiction in them."""
    settings = Settings.of()
    for each in settings.contradictions():
        console.print_message(f"note     {each}; the first one is used", "yellow")
    return settings if stack is None else settings.of_stack(stack)
