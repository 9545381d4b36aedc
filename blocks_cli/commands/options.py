"""Options that several commands share."""

from __future__ import annotations

import click

from blocks_cli.errors import CommandError

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
local = click.option("--local", is_flag=True, help="Work on this machine's deployment.")


def require_local(local: bool, command: str) -> None:
    """Refuse to guess where to.

    Raises:
        CommandError: `--local` was not given.
    """
    if not local:
        raise CommandError(
            f"blocks {command}: no target named",
            "this command only works locally; what is on AWS belongs to the cdk command line",
            f"run `blocks {command} --local`, or `npx cdk {command}`",
        )
