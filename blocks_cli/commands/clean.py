"""`blocks clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.lambda_.code_store import folder_size
from blocks_cli.local.disk_space import remove, shown_size, unused_parts
from blocks_cli.workspace import Workspace, project_root

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from blocks_cli.local.disk_space import Part


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--data", is_flag=True, help="Also remove databases that no deployed stack uses.")
@as_json
def clean(dry_run: bool, data: bool, as_json: bool) -> None:
    """Remove local files that can be made again, and show their sizes.

    \b
      blocks clean --dry-run
      blocks clean --data

    Keeps what the deployed stacks use, and every database unless --data is given. `blocks destroy --local --purge`
    removes everything.
    """
    workspace = Workspace(project_root())
    console.print_target(workspace.folder)
    found = unused_parts(workspace) if workspace.folder.is_dir() else []
    chosen = [part for part in found if data or not part.is_data]
    kept = [part for part in found if part not in chosen]
    if chosen and not dry_run:
        with workspace.deploying():
            for part in chosen:
                remove(part)
    if as_json:
        console.print_json(
            {
                "dryRun": dry_run,
                "removed": [_row(each) for each in chosen],
                "kept": [_row(each) for each in kept],
            }
        )
    else:
        _print(chosen, "remove" if dry_run else "removed")
    for part in kept:
        shown = f"{console.display_path(part.path)}   {shown_size(part.size)}   {part.content}"
        console.print_message(f"kept     {shown}; --data removes it", "cyan")
    total, rest = sum(part.size for part in chosen), folder_size(workspace.folder)
    verb = "would free" if dry_run else "freed"
    console.print_message(
        f"{verb} {shown_size(total)}; {console.display_path(workspace.folder)} has {shown_size(rest)}",
        "green",
    )


def _print(parts: list[Part], verb: str) -> None:
    for part in parts:
        click.echo(
            f"{verb:<8} {shown_size(part.size):>9}  {console.display_path(part.path)}   {part.content}"
        )


def _row(part: Part) -> Json:
    return {"path": str(part.path), "bytes": part.size, "content": part.content}
