"""`blocks lint`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import lint_formats, options
from blocks_cli.migrations.folder import find_folder

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
    help="Output format: text, JSON, SARIF for code scanning, or GitHub annotations.",
)
@as_json
@click.pass_context
def lint(context: click.Context, folder: Path | None, dialect: str | None, style: str, as_json: bool) -> None:
    """Check migrations for statements that Aurora DSQL refuses.

    \b
      blocks lint
      blocks lint --migrations db/ --format github

    Prints all findings of all files, as the synth does, each with what to do. Needs no database.
    """
    if as_json and style not in ("text", "json"):
        raise CommandError("--json and --format", "they select two output formats", "pass only one of them")
    from dsql_dialect.profiles import DEFAULT, profile

    folder, chosen = find_folder(folder), profile(dialect or DEFAULT.name)
    console.print_message(f"target   files   {console.display_path(folder)}   dialect {chosen.name}")
    number, findings = _findings(folder, chosen)
    printed = lint_formats.FORMATS["json" if as_json else style](findings)
    if printed:
        click.echo(printed)
    if findings:
        console.print_message(f"{len(findings)} finding{'s' * (len(findings) > 1)}{_lifted(findings)}", "red")
        context.exit(ExitCode.USAGE)
    console.print_message(f"{number} migration{'s' * (number != 1)}, no problems found", "green")


def _lifted(findings: tuple[MigrationFinding, ...]) -> str:
    """Return a hint about --dialect if another dialect accepts a refused statement."""
    from dsql_dialect.profiles import first_allowing

    dialects = [first_allowing(each.rule.lifted) for each in findings if each.rule.lifted]
    names = sorted({each.name for each in dialects if each})
    return f"; to select another dialect: --dialect {names[0]}, or BLOCKS_DIALECT={names[0]}" if names else ""


def _findings(folder: Path, profile: Profile) -> tuple[int, tuple[MigrationFinding, ...]]:
    from dsql_dialect.migrations import MigrationErrors, compile_folder

    try:
        return len(compile_folder(folder, profile).migrations), ()
    except MigrationErrors as errors:
        return 0, errors.findings
