"""The folder of migrations: find, read, compile; findings as errors of the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_cli.workspace import project_root
from blocks_runtime.shared.project import ROOT_SIGNS, is_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dsql_dialect.migrations.errors import MigrationFinding, MoreAlike
    from migration_manifest import Manifest

_MIGRATION = re.compile(r"[0-9]+_.+\.sql")
_MOST_SHOWN = 5
"""Maximum number of folders in a message; there may be hundreds."""
_NOT_OURS = {"node_modules", "cdk.out", "site-packages"}


def find_folder(folder: Path) -> Path:
    """Return the folder of the settings if it exists.

    Raises:
        CommandError: it is no folder, has those of several databases, or does not exist; then the message names folders
            with migrations.
    """
    if folder.is_dir():
        if len(several := _folders_of_databases(folder)) > 1:
            raise _one_of(folder, several)
        return folder
    if folder.is_file():
        shown = console.display_path(folder)
        remedy = f"`blocks lint {shown}` checks the file; --migrations takes its folder"
        raise CommandError(f"{shown}: not a folder", "migrations are the files of a folder", remedy)
    looks_like = [console.display_path(each) for each in _candidates(project_root())]
    if looks_like:
        why, remedy = f"folders with migrations: {_first(looks_like)}", f"pass --migrations {looks_like[0]}"
    elif is_project(project_root()):
        why, remedy = "the project has no migrations", "create the first one with `blocks new NAME`"
    else:
        why = f"this folder and those above it are no project: they have no {ROOT_SIGNS}"
        remedy = "run the command in the folder of the app, or create a project with `blocks init`"
    raise CommandError(f"{console.display_path(folder)}: no such folder", why, remedy)


def _folders_of_databases(folder: Path) -> list[Path]:
    """Return the sub-folders with migrations of a folder without any."""
    if any(folder.glob("*.sql")):
        return []
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and any(_MIGRATION.fullmatch(file.name) for file in each.glob("*.sql"))
    )


def _one_of(folder: Path, several: list[Path]) -> CommandError:
    """Return the error for a folder that has a folder for each of several databases."""
    shown, name = [console.display_path(each) for each in several], several[0].name
    return CommandError(
        f"{console.display_path(folder)}: several folders of migrations",
        f"each database has its own: {_first(shown)}",
        f"pass --migrations {shown[0]}, and --database {name} if the command has it; or write `migrations` under "
        f"[tool.blocks.databases.{name}] in pyproject.toml; `blocks deploy --local` records them, too",
    )


def _first(folders: list[str]) -> str:
    more = len(folders) - _MOST_SHOWN
    return ", ".join(folders[:_MOST_SHOWN]) + (f", and {more} more" if more > 0 else "")


def compile_manifest(folder: Path, dialect: str, to: int | None = None) -> Manifest:
    """Compile a folder for the migrator.

    Raises:
        CommandError: the folder is invalid (with all findings), or no migration has the number `to`.
    """
    from dsql_dialect.migrations import MigrationErrors, compile_folder
    from dsql_dialect.profiles import profile

    try:
        manifest = compile_folder(folder, profile(dialect))
    except MigrationErrors as errors:
        raise explain(errors.findings) from None
    numbers = [migration.version for migration in manifest.migrations]
    if to is not None and to not in numbers:
        raise CommandError(
            f"--to {to}: no migration has this number",
            f"{console.display_path(folder)} has {_listed(numbers)}",
            "pass one of these, or omit --to for all",
        )
    return manifest


def _listed(numbers: Sequence[int]) -> str:
    """Return the numbers of migrations as text, abbreviated if there are many."""
    few = [*map(str, numbers)] if len(numbers) < 8 else [str(numbers[0]), "…", str(numbers[-1])]
    return ", ".join(few) or "no migrations"


def read_names(folder: Path) -> Manifest:
    """Return number, name and checksum of the migrations, without statements: this needs no SQL parser.

    Raises:
        CommandError: the name or encoding of a file is invalid (with all such findings).
    """
    from dsql_dialect.migrations.files import read_folder
    from migration_manifest import Manifest, Migration

    found = read_folder(folder)
    if found.findings:
        raise explain(found.findings)
    names = (Migration(each.version, each.name, each.checksum, ()) for each in found.migrations)
    return Manifest("", tuple(names))


def explain(findings: Sequence[MigrationFinding]) -> CommandError:
    """Return one error for all findings: the last one, with the others in `before`; many of one kind are counted."""
    from dsql_dialect.migrations.errors import folded

    *before, last = [as_error(finding) for finding in folded(findings)]
    last.before = tuple(before)
    return last


def as_error(finding: MigrationFinding | MoreAlike) -> CommandError:
    """Convert a finding, or the number of others like it, to a CommandError."""
    from dsql_dialect.migrations.errors import MoreAlike

    if isinstance(finding, MoreAlike):
        shown = console.display_path(finding.path)
        return CommandError(
            f"{shown}: {finding.sentence}", finding.rule.title, "`blocks lint --max 0` shows all"
        )
    sqlstate = f" (SQLSTATE {finding.sqlstate})" if finding.sqlstate else ""
    place = f"{console.display_path(finding.path)}:{finding.line}:{finding.column}"
    return CommandError(
        f"{place}: {finding.rule.title} [{finding.rule.id}]",
        f"{finding.why}{sqlstate}",
        f"{finding.remedy} {finding.rule.explanation}",
    )


def _candidates(project: Path) -> list[Path]:
    """Return folders of the project, at most three levels deep, with files named like migrations."""
    found = {
        file.parent
        for depth in range(1, 4)
        for file in project.glob("/".join(["*"] * depth) + "/*.sql")
        if _MIGRATION.fullmatch(file.name) and not _NOT_OURS & {*file.relative_to(project).parts}
    }
    return sorted(each for each in found if not any(part.startswith(".") for part in each.parts[1:]))
