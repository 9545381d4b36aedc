"""`blocks verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected, scratch
from blocks_cli.migrations.folder import compile_manifest, find_folder
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.migrations.catalog import Definition
    from blocks_cli.migrations.target_options import TargetOptions
    from blocks_settings import Setting
    from lambda_migrator.journal import Entry
    from migration_manifest import Manifest


@click.command()
@options.folder
@options.dialect
@options.target_options
@options.to
@options.exit_code_of_differences
@as_json
@click.pass_context
def verify(
    context: click.Context,
    folder: Path,
    dialect: Setting[str],
    target_options: TargetOptions,
    to: int | None,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Compare the schema of the database with the migrations, without changes.

    \b
      blocks verify --exit-code
      blocks verify --endpoint abc….dsql.eu-central-1.on.aws

    Runs the files up to the newest applied one (or up to --to) on an empty local database and compares the two schemas.
    Roles, privileges and rows are not compared.
    """
    from blocks_cli.migrations.differences import as_row, compare, render

    manifest = compile_manifest(find_folder(folder), dialect.value, to)
    journal, actual = _live(target_options, manifest, dialect)
    newest = max((entry.version for entry in journal if entry.applied), default=None)
    expected = _built(manifest, dialect, newest if to is None else to)
    differences = compare(expected, actual)
    if as_json:
        rows: Json = [as_row(each) for each in differences]
        console.print_json({"differences": rows, "compared": len(expected)})
    elif differences:
        click.echo(render(differences))
    if differences:
        number = len(differences)
        console.print_message(
            f"{number} difference{'s' * (number != 1)} between the files and the database", "red"
        )
    else:
        number = len(actual)
        console.print_message(
            f"no differences: {number} definition{'s' * (number != 1)} as in the files", "green"
        )
    if exit_code and differences:
        context.exit(ExitCode.PENDING)


def _live(
    target_options: TargetOptions, manifest: Manifest, dialect: Setting[str]
) -> tuple[Sequence[Entry], Sequence[Definition]]:
    """Return journal and schema of the database.

    Raises:
        DriftError: the files contradict the journal.
    """
    from blocks_cli.migrations.catalog import read_catalog
    from lambda_migrator.drift import DriftError, find_drift
    from lambda_migrator.journal import read_or_empty

    with connected(find_target(target_options), dialect) as admin:
        journal = read_or_empty(admin)
        if faults := find_drift(manifest, journal):
            raise DriftError(faults)
        return journal, read_catalog(admin)


def _built(manifest: Manifest, dialect: Setting[str], to: int | None) -> Sequence[Definition]:
    """Return the schema that the files create in an empty database."""
    from blocks_cli.migrations.catalog import read_catalog
    from lambda_migrator.migrate import migrate

    try:
        with scratch(dialect) as admin:
            migrate(admin, manifest, database="scratch", holder="verify", to=to)
            return read_catalog(admin)
    except CommandError as error:
        remedy = "correct the files so that they run on an empty database; your database was not changed"
        raise CommandError(f"on an empty database: {error.what}", error.why, remedy, error.code) from error
