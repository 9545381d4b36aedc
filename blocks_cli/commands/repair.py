"""`blocks repair`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected, is_missing, mention_missing, readable
from blocks_cli.migrations.folder import compile_manifest, find_folder, read_names
from blocks_cli.migrations.runs import queue, run_name
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks_cli.migrations.target_options import TargetOptions
    from blocks_settings import Setting
    from lambda_migrator.journal import Entry
    from lambda_migrator.repair import Correction
    from migration_manifest import Manifest


@click.command()
@click.argument("name", required=False)
@click.option("--applied", is_flag=True, help="The migration is done, with the current content of the file.")
@click.option(
    "--pending", is_flag=True, help="Nothing of the migration is done; the next run starts it again."
)
@options.folder
@options.dialect
@options.target_options
@options.wait
@as_json
def repair(
    name: str | None,
    applied: bool,
    pending: bool,
    folder: Path,
    dialect: Setting[str],
    target_options: TargetOptions,
    wait: float,
    as_json: bool,
) -> None:
    """Correct a migration's status in the journal; without NAME, list the migrations that may need it.

    \b
      blocks repair
      blocks repair 007_drop_owner --applied
      blocks repair 7 --pending

    Check the database first: the tool cannot know which status is right. NAME is the name of the file without .sql, or
    its number. Only the journal is written; no statement of the file runs. With --pending, a migration without a file
    is removed from the journal.
    """
    if name is None and not applied and not pending:
        _list(find_folder(folder), target_options, as_json)
        return
    if name is None:
        raise CommandError(
            "blocks repair: no migration",
            "--applied and --pending need the name of one",
            "run `blocks repair` for the migrations that may need it, then name one",
        )
    if applied == pending:
        raise CommandError(
            f"blocks repair {name}: no status",
            "exactly one of --applied and --pending is required",
            "check the database (`blocks schema`), then pass --applied or --pending",
        )
    done = _repair(target_options, find_folder(folder), dialect, name.removesuffix(".sql"), applied, wait)
    before, after = (state.value if state else None for state in (done.before, done.after))
    if as_json:
        console.print_json({"migration": done.name, "before": before, "after": after})
    if done.written:
        console.print_message(f"repaired {done.name}: {_described(before, after)}", "green")
    else:
        console.print_message(
            f"unchanged {done.name}: already applied, with the current content of the file", "green"
        )


def _list(folder: Path, target_options: TargetOptions, as_json: bool) -> None:
    """Print the migrations that the next `blocks up` would not simply run or skip."""
    from blocks_cli.migrations.status import as_row, migration_statuses, status_lines
    from lambda_migrator.journal import read_or_empty

    target = find_target(target_options)
    journal: Sequence[Entry] = ()
    if is_missing(target):
        mention_missing(target)
    else:
        with readable(target) as database:
            journal = read_or_empty(database)
    found = [
        each
        for each in migration_statuses(read_names(folder), journal)
        if each.advice and each.replaced is None
    ]
    if as_json:
        console.print_json({"migrations": [as_row(each) for each in found]})
        return
    for line in status_lines(found):
        click.echo(line)
    if found:
        name = found[0].name
        console.print_message(
            f"next     check the database; then: blocks repair {name} with --applied or --pending"
        )
    else:
        console.print_message("nothing to repair: the journal matches the files", "green")


def _described(before: str | None, after: str | None) -> str:
    if before == after:
        return f"{after}, with the current content of the file"
    return f"was {before or 'unknown'}, is {after or 'removed'}"


def _named(manifest: Manifest, name: str) -> str:
    """Return the name of the migration with a number, such as 3 or 003; any other name is returned as it is."""
    if not name.isdecimal():
        return name
    return next((each.name for each in manifest.migrations if each.version == int(name)), name)


def _repair(
    target_options: TargetOptions, folder: Path, dialect: Setting[str], name: str, applied: bool, wait: float
) -> Correction:
    from lambda_migrator.journal import State
    from lambda_migrator.migrate import holding_lease
    from lambda_migrator.repair import repair

    manifest, by = compile_manifest(folder, dialect.value), run_name()
    state = State.APPLIED if applied else State.PENDING
    target = find_target(target_options)
    with connected(target, dialect) as admin, holding_lease(admin, by, queue(target, wait)) as lease:
        return repair(admin, lease, manifest, _named(manifest, name), state, by)
