"""`blocks logs`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.lambda_.log_file import LogFile
from blocks_cli.local.function_names import find_function
from blocks_cli.local.state import StateFolder
from blocks_cli.workspace import Workspace, project_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks_cli.lambda_.log_file import LogLine


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Print new lines as they are written, until Ctrl-C.")
@click.option("--lines", "-n", default=100, show_default=True, help="Number of lines to begin with.")
@as_json
@click.argument("function", required=False)
def logs(follow: bool, lines: int, as_json: bool, function: str | None) -> None:
    """Print the output of local functions, of all of them or of one.

    \b
      blocks logs
      blocks logs Transfer --follow

    FUNCTION is a construct path, a construct id, a logical id or the name of the function.
    """
    workspace = Workspace(project_root())
    path = None if function is None else _path(workspace, function)
    log = LogFile(workspace.logs)
    before = [line for line in log.read() if path in (None, line.function)]
    _print(before[len(before) - lines if 0 <= lines < len(before) else 0 :], as_json)
    if not before and not follow:
        console.print_message("no output yet: invoke a function with `blocks invoke` or `blocks dev`")
    if follow:
        _print((line for line in log.follow() if path in (None, line.function)), as_json)


def _path(workspace: Workspace, function: str) -> str:
    """Return the construct path of a deployed function."""
    states = StateFolder(workspace.stacks).load()
    if not states:
        raise CommandError(
            f"{workspace.folder}: nothing is deployed",
            "the folder has no record of a local deploy",
            "run `blocks deploy --local` or `blocks dev`",
        )
    deployed = (each for state in states.values() for each in state.resources.values())
    return find_function(function, deployed).path


def _print(lines: Iterable[LogLine], as_json: bool) -> None:
    for line in lines:
        if as_json:
            console.print_json_line({"time": line.time, "function": line.function, "line": line.text})
        else:
            when = time.strftime("%H:%M:%S", time.localtime(line.time))
            click.echo(f"{when} [{line.function.partition('/')[2] or line.function}] {line.text}")
