"""Compile a folder of migrations, or report all its faults; check files of SQL that are none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect.migrations.checks import ReadFile, faults_in_folder, faults_of_files
from dsql_dialect.migrations.directives import read_directives
from dsql_dialect.migrations.errors import MigrationErrors, MigrationFinding
from dsql_dialect.migrations.files import read_folder
from dsql_dialect.migrations.manifest import CompiledMigration, CompiledMigrations, CompiledStatement
from dsql_dialect.migrations.probe import probe, repeatable
from dsql_dialect.profiles import profile as profile_named
from migration_manifest import StatementDirective

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from dsql_dialect.migrations.files import MigrationFile, SqlFile
    from dsql_dialect.migrations.manifest import StatementKind
    from dsql_dialect.profiles import Profile
    from dsql_dialect.statement import Statement

_GRANTS = frozenset({"Grant", "GrantRole", "AlterDefaultPrivileges", "Iam"})


def compile_folder(path: str | os.PathLike[str], profile: Profile | None = None) -> CompiledMigrations:
    """Compile the `NNN_name.sql` files of a folder, ordered by number; without a dialect, for the default one.

    Raises:
        MigrationErrors: a statement cannot be run on DSQL, or not safely, or the folder cannot be read; it carries
            every fault of every file.
    """
    dialect = profile or profile_named()
    folder = read_folder(Path(path))
    read = [ReadFile.of(file, dialect) for file in folder.sql]
    findings = [*folder.findings, *faults_in_folder(read)]
    if findings:
        raise MigrationErrors(_ordered(findings))
    pairs = zip(folder.migrations, read, strict=True)
    return CompiledMigrations(dialect.name, tuple(_compile(file, each) for file, each in pairs))


def check_files(files: Iterable[SqlFile], profile: Profile | None = None) -> list[MigrationFinding]:
    """Return the faults of files that are no migrations: what DSQL refuses if a client sends their statements."""
    dialect = profile or profile_named()
    return _ordered(faults_of_files([ReadFile.of(file, dialect) for file in files]))


def _ordered(findings: Iterable[MigrationFinding]) -> list[MigrationFinding]:
    """Return findings by file and line; those of one line as DSQL answers."""
    return sorted(findings, key=lambda each: (str(each.path), each.line, each.rule.precedence, each.column))


def _compile(file: MigrationFile, read: ReadFile) -> CompiledMigration:
    directives = {
        each.statement: StatementDirective(each.word) for each in read_directives(read.text.sql, read.script)
    }
    return CompiledMigration(
        version=file.version,
        name=file.name,
        checksum=file.checksum,
        statements=tuple(
            CompiledStatement(
                sql=statement.text,
                kind=_kind(statement),
                line=statement.position.line,
                column=statement.position.column,
                directive=directives.get(statement),
                probe=probe(statement),
                repeatable=repeatable(statement),
            )
            for statement in read.script.statements
        ),
    )


def _kind(statement: Statement) -> StatementKind:
    if statement.async_job is not None:
        return statement.async_job
    if statement.node in _GRANTS:
        return "grant"
    return "dml" if statement.is_dml else "ddl"
