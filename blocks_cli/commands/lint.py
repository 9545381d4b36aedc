"""`blocks lint`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import lint_formats, options
from blocks_cli.migrations.folder import find_folder
from blocks_settings import DIALECT, MIGRATIONS, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_settings import Setting, Settings
    from dsql_dialect.migrations import MigrationFinding
    from dsql_dialect.profiles import Profile

_STDIN = Path("-")
_FEW = 10
"""Findings that need no summary by kind."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH…]")
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
@click.option(
    "--max",
    "most",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="Maximum number of findings of a kind that are shown for a file; 0 shows all (default: 10 in text, else all).",
)
@as_json
@click.pass_context
def lint(
    context: click.Context,
    paths: tuple[Path, ...],
    folder: Path | None,
    dialect: str | None,
    style: str,
    most: int | None,
    as_json: bool,
) -> None:
    """Check migrations for statements that Aurora DSQL refuses.

    \b
      blocks lint
      blocks lint --migrations db/ --format github
      blocks lint schema.sql prisma/migrations
      pg_dump … | blocks lint -

    Prints the findings of all files, as the synth does, each with what to do. Needs no database. With PATHs it checks
    any SQL files, and those in folders and their sub-folders, without the rules on migrations; - is standard input.
    """
    if as_json and style not in ("text", "json"):
        raise CommandError("--json and --format", "they select two output formats", "pass only one of them")
    if paths and folder is not None:
        raise CommandError("--migrations and PATH", "they select different files", "pass only one of them")
    from dsql_dialect.profiles import profile

    settings = options.project_settings()
    speaking = settings.get(DIALECT, None, dialect)
    chosen, place = profile(speaking.value), _place(speaking)
    if paths:
        number, findings = _of_paths(paths, chosen, place)
    else:
        checked = settings.get(MIGRATIONS, None, folder).value
        number, findings = _of_folder(checked, chosen, place)
        if folder is None:
            _name_others(settings, checked)
    printed = lint_formats.FORMATS["json" if as_json else style](findings, most)
    if printed:
        click.echo(printed)
    if findings:
        _summarize(findings)
        context.exit(ExitCode.USAGE)
    noun = "file" if paths else "migration"
    console.print_message(f"{number} {noun}{'s' * (number != 1)}, no problems found", "green")


def _name_others(settings: Settings, checked: Path) -> None:
    """Print the folders of the other databases, which are not checked."""
    found = {settings.get(MIGRATIONS, each).value for each in settings.databases()}
    others = sorted(console.display_path(each) for each in found if each != checked and each.is_dir())
    if others:
        console.print_message(
            f"note     not checked, of other databases: {', '.join(others)}; pass --migrations", "cyan"
        )


def _place(dialect: Setting[str]) -> str:
    """Return the place that sets the dialect, if it is no option and no default."""
    return "" if dialect.source in (Source.ARGUMENT, Source.DEFAULT) else f" from {dialect.place}"


def _summarize(findings: Sequence[MigrationFinding]) -> None:
    """Print the number of findings, of many also by kind."""
    from dsql_dialect.migrations.errors import by_kind, explained_by

    if len(findings) > _FEW:
        for number, rule in by_kind(findings):
            console.print_message(f"{number:>8,} × {rule.id}: {rule.title}")
    many = "s" * (len(findings) > 1)
    console.print_message(
        f"{len(findings):,} finding{many}, {explained_by(findings)}{_lifted(findings)}", "red"
    )


def _lifted(findings: Sequence[MigrationFinding]) -> str:
    """Return how to select another dialect: the oldest that accepts every statement which one accepts."""
    from dsql_dialect.profiles import as_setting, first_allowing

    lifted = {each.rule.lifted for each in findings if each.rule.lifted}
    newer = max(filter(None, map(first_allowing, lifted)), key=lambda each: each.as_of, default=None)
    if newer is None:
        return ""
    return f"; to select another dialect: --dialect {newer.name}, or for everything: {as_setting(newer)}"


def _of_folder(given: Path, profile: Profile, place: str) -> tuple[int, Sequence[MigrationFinding]]:
    """Return the number of migrations and their faults.

    Raises:
        CommandError: there is nothing to check.
    """
    from dsql_dialect.migrations import MigrationErrors, compile_folder
    from dsql_dialect.migrations.files import nested

    folder = find_folder(given)
    shown = console.display_path(folder)
    console.print_message(f"target   files   {shown}   dialect {profile.name}{place}")
    try:
        number, findings = len(compile_folder(folder, profile).migrations), ()
    except MigrationErrors as errors:
        return 0, errors.findings
    if not number:
        raise _nothing(shown, "it has no file NNN_name.sql", "create the first one with `blocks new NAME`")
    if below := nested(folder):
        names = ", ".join(console.display_path(each) for each in below)
        console.print_message(f"note     sub-folders are not read: {names}", "cyan")
    return number, findings


def _nothing(what: str, why: str, remedy: str) -> CommandError:
    return CommandError(f"{what}: nothing to check", why, remedy)


def _of_paths(paths: Sequence[Path], profile: Profile, place: str) -> tuple[int, Sequence[MigrationFinding]]:
    """Return the number of files and their faults.

    Raises:
        CommandError: a path does not exist, or there is nothing to check, as after a failed command before a pipe.
    """
    from dsql_dialect.migrations import MigrationFinding, check_files
    from dsql_dialect.migrations.files import SqlFile, read_bytes, read_file

    console.print_message(f"target   files   {' '.join(map(str, paths))}   dialect {profile.name}{place}")
    read = [
        read_bytes(Path("<stdin>"), sys.stdin.buffer.read())
        if each == _STDIN
        else read_file(each, allow_pipe=each == path)
        for path in paths
        for each in _below(path)
    ]
    unreadable = [each for each in read if isinstance(each, MigrationFinding)]
    files = [each for each in read if isinstance(each, SqlFile)]
    if not unreadable and not any(each.text.strip() for each in files):
        raise _nothing(
            " ".join(str(each.path) for each in files), "it is empty", "pass the text that is to be checked"
        )
    return len(files), [*unreadable, *check_files(files, profile)]


def _below(path: Path) -> list[Path]:
    """Return the files of a path: itself, also if it is a pipe, or the SQL files in a folder and its sub-folders."""
    if path == _STDIN or (path.exists() and not path.is_dir()):
        return [path]
    if not path.exists():
        raise CommandError(
            f"{path}: no such file", "there is no file or folder of this name", "correct the path"
        )
    from dsql_dialect.migrations.files import sql_files

    if found := sql_files(path):
        return found
    raise _nothing(str(path), "it has no .sql file, nor has a folder below it", "pass another path")
