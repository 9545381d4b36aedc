"""Options shared by several commands."""

from __future__ import annotations

import click

from blocks_cli.errors import CommandError

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
local = click.option("--local", is_flag=True, help="Use the deployment on this machine.")


def is_debugging() -> bool:
    """Return whether `blocks --debug` was called."""
    return bool(click.get_current_context().find_root().params.get("debug"))


def require_local(local: bool, command: str) -> None:
    """Require `--local`.

    Raises:
        CommandError: `--local` was not given.
    """
    if not local:
        raise CommandError(
            f"blocks {command}: --local is missing",
            "this command works only locally; the cdk command line deploys to AWS",
            f"run `blocks {command} --local`, or `npx cdk {command}`",
        )
