"""`blocks schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions


@click.command()
@options.target_options
@as_json
def schema(target_options: TargetOptions, as_json: bool) -> None:
    """Print the schema as SQL, without changes.

    \b
      blocks schema > schema.sql
      blocks schema --json

    The output is deterministic. Commit it to show in code reviews what a migration does to the schema. Roles,
    privileges and rows are not included.
    """
    from blocks_cli.migrations.catalog import read_catalog, render

    with connected(find_target(target_options)) as admin:
        found = read_catalog(admin)
    if as_json:
        rows: Json = [{"kind": each.kind, "name": each.name, "sql": each.sql} for each in found]
        console.print_json({"definitions": rows})
    elif found:
        click.echo(render(found))
    console.print_message(f"{len(found)} definition{'s' * (len(found) != 1)}", "green")
