"""`blocks status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import options
from blocks_cli.migrations.database import is_missing, mention_missing, readable
from blocks_cli.migrations.folder import find_folder, read_names
from blocks_cli.migrations.runs import is_dead
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks_cli.migrations.status import MigrationStatus
    from blocks_cli.migrations.target_options import TargetOptions
    from lambda_migrator.journal import Entry
    from lambda_migrator.lease import Holder


@click.command()
@options.folder
@options.target_options
@options.exit_code
@as_json
@click.pass_context
def status(
    context: click.Context,
    folder: Path,
    target_options: TargetOptions,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Show the status of all migrations, without changes.

    \b
      blocks status
      blocks status --exit-code    # 1 when something is pending or has drifted
    """
    from blocks_cli.migrations.status import as_row, migration_statuses, status_lines
    from lambda_migrator.journal import read_or_empty
    from lambda_migrator.lease import holder_of

    files = read_names(find_folder(folder))
    target = find_target(target_options)
    journal: Sequence[Entry] = ()
    holder = None
    if is_missing(target):
        mention_missing(target)
    else:
        with readable(target) as database:
            journal = read_or_empty(database)
            holder = holder_of(database) if journal else None
    if holder is not None and target.folder is not None and is_dead(holder.name):
        holder = None  # its process has ended: the next run takes over the lease
    found = migration_statuses(files, journal)
    if as_json:
        console.print_json({"migrations": [as_row(each) for each in found], "migrator": _text(holder)})
    else:
        for line in status_lines(found):
            click.echo(line)
    _conclude(found, holder)
    if exit_code and any(each.open for each in found):
        context.exit(ExitCode.PENDING)


def _text(holder: Holder | None) -> str | None:
    return None if holder is None else str(holder)


def _conclude(found: Sequence[MigrationStatus], holder: Holder | None) -> None:
    if holder is not None:
        console.print_message(f"note     a migrator is running: {holder}", "cyan")
    numbers: dict[str, int] = {}
    for each in found:
        numbers[each.state] = numbers.get(each.state, 0) + 1
    text = ", ".join(f"{number} {state}" for state, number in numbers.items())
    console.print_message(text or "no migrations", "yellow" if any(each.open for each in found) else "green")
