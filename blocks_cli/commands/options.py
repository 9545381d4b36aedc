"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

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


def root() -> Path:
    """Return the project's folder: the nearest upwards with a `cdk.json` or `.blocks`, else this one."""
    here = Path.cwd()
    marked = (p for p in (here, *here.parents) if (p / "cdk.json").exists() or (p / ".blocks").exists())
    return next(marked, here)
