"""The folder of migrations: found, read, compiled; its faults as errors of the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_cli.workspace import project_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dsql_dialect.migrations.errors import MigrationFinding
    from dsql_dialect.profiles import Profile
    from lambda_migrator.manifest import Manifest

DEFAULT_FOLDER = "migrations"
_MIGRATION = re.compile(r"[0-9]+_.+\.sql")
_MOST_SHOWN = 5
"""Folders that are named to somebody who has given none; a folder of temporary files may hold hundreds."""
_NOT_OURS = {"node_modules", "cdk.out", "site-packages"}


def find_folder(given: Path | None) -> Path:
    """Return the folder `given`, or `migrations/` in the project.

    Raises:
        CommandError: there is none; the message names folders that look like it.
    """
    folder = given or default_folder()
    if folder.is_dir():
        return folder
    looks_like = [console.display_path(each) for each in _candidates(project_root())]
    raise CommandError(
        f"{console.display_path(folder)}: no such folder",
        f"migrations are in {_first(looks_like)}" if looks_like else "no folder here has migrations",
        f"pass --migrations {looks_like[0]}" if looks_like else "begin with `blocks new NAME`",
    )


def _first(folders: list[str]) -> str:
    more = len(folders) - _MOST_SHOWN
    return ", ".join(folders[:_MOST_SHOWN]) + (f", and {more} more" if more > 0 else "")


def default_folder() -> Path:
    """Return where migrations are unless something else is said."""
    return project_root() / DEFAULT_FOLDER


def compile_manifest(folder: Path, dialect: str | None, to: int | None = None) -> Manifest:
    """Compile a folder for the migrator.

    Raises:
        CommandError: the folder has faults, of which it carries all; or no migration has the number `to`.
    """
    from dsql_dialect.migrations import MigrationErrors, compile_folder
    from lambda_migrator.manifest import read

    try:
        manifest = read(compile_folder(folder, profile_named(dialect)).manifest())
    except MigrationErrors as errors:
        raise explain(errors.findings) from None
    numbers = [migration.version for migration in manifest.migrations]
    if to is not None and to not in numbers:
        raise CommandError(
            f"--to {to}: no migration has this number",
            f"{console.display_path(folder)} has {_listed(numbers)}",
            "name one of these, or leave --to out to take all",
        )
    return manifest


def _listed(numbers: Sequence[int]) -> str:
    """Return the numbers of migrations, of many only the first and the last."""
    few = [*map(str, numbers)] if len(numbers) < 8 else [str(numbers[0]), "…", str(numbers[-1])]
    return ", ".join(few) or "no migrations"


def read_names(folder: Path) -> Manifest:
    """Return the migrations without their statements, which needs no parser: number, name and checksum.

    Raises:
        CommandError: a file's name or encoding is wrong; it carries all such faults.
    """
    from dsql_dialect.migrations.files import read_folder
    from lambda_migrator.manifest import Manifest, Migration

    files, findings = read_folder(folder)
    if findings:
        raise explain(findings)
    return Manifest("", tuple(Migration(each.version, each.name, each.checksum, ()) for each in files))


def profile_named(dialect: str | None) -> Profile:
    """Return a dialect by name.

    Raises:
        CommandError: there is none of that name.
    """
    from dsql_dialect.profiles import profile

    try:
        return profile(dialect) if dialect else profile()
    except ValueError as error:
        what, _, remedy = str(error).partition("; ")
        raise CommandError(f"--dialect {dialect}", what, remedy) from None


def explain(findings: Sequence[MigrationFinding]) -> CommandError:
    """Return all findings as one error to be raised: the last of them, with the others before it."""
    *before, last = [as_error(finding) for finding in findings]
    last.before = tuple(before)
    return last


def as_error(finding: MigrationFinding) -> CommandError:
    """Return a finding as an error of the command line."""
    sqlstate = f" (SQLSTATE {finding.rule.sqlstate})" if finding.rule.sqlstate else ""
    place = f"{console.display_path(finding.path)}:{finding.line}:{finding.column}"
    return CommandError(
        f"{place}: {finding.rule.sentence} [{finding.rule.id}]", f"{finding.why}{sqlstate}", finding.remedy
    )


def _candidates(project: Path) -> list[Path]:
    """Return folders of the project, three levels down at most, that hold files named like migrations."""
    found = {
        file.parent
        for depth in range(1, 4)
        for file in project.glob("/".join(["*"] * depth) + "/*.sql")
        if _MIGRATION.fullmatch(file.name) and not _NOT_OURS & {*file.relative_to(project).parts}
    }
    return sorted(each for each in found if not any(part.startswith(".") for part in each.parts[1:]))
