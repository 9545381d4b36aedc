"""`blocks lint`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import lint_formats, options
from blocks_cli.migrations.folder import find_folder, profile_named

if TYPE_CHECKING:
    from pathlib import Path

    from dsql_dialect.migrations import MigrationFinding
    from dsql_dialect.profiles import Profile


@click.command()
@options.folder
@options.dialect
@click.option(
    "--format",
    "style",
    type=click.Choice([*lint_formats.FORMATS]),
    default="text",
    show_default=True,
    help="How to print the findings: for people, programs, code scanning, or GitHub's annotations.",
)
@as_json
@click.pass_context
def lint(context: click.Context, folder: Path | None, dialect: str | None, style: str, as_json: bool) -> None:
    """Find what Aurora DSQL would refuse.

    \b
      blocks lint
      blocks lint --migrations db/ --format github

    All findings of all files are told at once, as the synth tells them, each with the way out. No database is touched.
    """
    if as_json and style not in ("text", "json"):
        raise CommandError(
            "--json and --format", "they name two ways to print the findings", "give one of the two"
        )
    folder, profile = find_folder(folder), profile_named(dialect)
    console.print_message(f"target   files   {console.display_path(folder)}   dialect {profile.name}")
    number, findings = _findings(folder, profile)
    printed = lint_formats.FORMATS["json" if as_json else style](findings)
    if printed:
        click.echo(printed)
    if findings:
        console.print_message(f"{len(findings)} finding{'s' * (len(findings) > 1)}{_lifted(findings)}", "red")
        context.exit(ExitCode.USAGE)
    console.print_message(f"{number} migration{'s' * (number != 1)}, nothing to find fault with", "green")


def _lifted(findings: tuple[MigrationFinding, ...]) -> str:
    """Say how to choose the dialect, where another one takes some of what was found."""
    from dsql_dialect.profiles import first_allowing

    dialects = [first_allowing(each.rule.lifted) for each in findings if each.rule.lifted]
    names = sorted({each.name for each in dialects if each})
    return f"; to choose a dialect: --dialect {names[0]}, or BLOCKS_DIALECT={names[0]}" if names else ""


def _findings(folder: Path, profile: Profile) -> tuple[int, tuple[MigrationFinding, ...]]:
    from dsql_dialect.migrations import MigrationErrors, compile_folder

    try:
        return len(compile_folder(folder, profile).migrations), ()
    except MigrationErrors as errors:
        return 0, errors.findings
