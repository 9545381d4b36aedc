"""Compile a folder of migrations, or report all its faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect.json_tree import walk
from dsql_dialect.migrations import extensions, rules
from dsql_dialect.migrations.directives import DIRECTIVES, down_sections, read_directives
from dsql_dialect.migrations.errors import MigrationErrors, MigrationFinding
from dsql_dialect.migrations.files import read_folder
from dsql_dialect.migrations.manifest import CompiledMigration, CompiledMigrations, CompiledStatement
from dsql_dialect.migrations.probe import probe, repeatable, tree_of
from dsql_dialect.parser import parse
from dsql_dialect.position import Position, Source
from dsql_dialect.profiles import profile as profile_named
from dsql_dialect.statement import Kind

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from dsql_dialect.migrations.files import MigrationFile
    from dsql_dialect.migrations.manifest import StatementKind
    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Rule
    from dsql_dialect.statement import Script, Statement

_OUT_OF_PLACE = {
    Kind.TRANSACTION: rules.TRANSACTION_CONTROL,
    Kind.SESSION: rules.SESSION,
    Kind.QUERY: rules.QUERY,
    Kind.UTILITY: rules.UTILITY,
    Kind.CALL: rules.CALL,
}
_GRANTS = frozenset({"Grant", "GrantRole", "AlterDefaultPrivileges", "Iam"})
_START = Position(0, 1, 1)


def compile_folder(path: str | os.PathLike[str], profile: Profile | None = None) -> CompiledMigrations:
    """Compile the `NNN_name.sql` files of a folder, ordered by number; without a dialect, for the default one.

    Raises:
        MigrationErrors: a statement cannot be run on DSQL, or not safely, or the folder cannot be read; it carries
            every fault of every file.
    """
    dialect = profile or profile_named()
    files, findings = read_folder(Path(path))
    scripts = [(file, parse(file.text, dialect)) for file in files]
    known = extensions.defined(each for _, script in scripts for each in script.statements)
    for file, script in scripts:
        findings.extend(_faults(file, script, known))
    if findings:
        raise MigrationErrors(sorted(findings, key=lambda each: (each.path.name, each.line, each.column)))
    return CompiledMigrations(dialect.name, tuple(_compile(file, script) for file, script in scripts))


def _faults(file: MigrationFile, script: Script, known: frozenset[str]) -> Iterator[MigrationFinding]:
    whole = Source(file.text)
    if not script.statements:
        yield _fault(file, _START, rules.EMPTY)
    for statement in script.statements:
        yield from _refused(file, statement)
        if not statement.findings:
            yield from (_fault(file, statement.position, rule) for rule in _misplaced(statement))
            yield from _unknown(file, whole, statement, known)
    yield from (_fault(file, each.position, rule) for each, rule in _crowded(script.statements))
    yield from _miscommented(file, script)


def _refused(file: MigrationFile, statement: Statement) -> Iterator[MigrationFinding]:
    """Yield the refusals of DSQL itself."""
    for finding in statement.findings:
        at = finding.position
        if statement.text.startswith("\\"):
            yield _fault(file, at, rules.PSQL_COMMAND, reason=finding.message)
        else:
            yield MigrationFinding(
                file.path, at.line, at.column, finding.rule, finding.message, finding.remedy
            )


def _unknown(
    file: MigrationFile, whole: Source, statement: Statement, known: frozenset[str]
) -> Iterator[MigrationFinding]:
    """Yield the names that the server would not know: parameters, types and functions of extensions."""
    if not statement.backend_sql:
        return
    source, start = Source(statement.backend_sql), statement.position.offset
    for at, rule, name in extensions.missing(statement, known):
        place = whole.at(start + source.characters(at))
        yield _fault(file, place, rule, name=name)
    if statement.node != "CreateFunction":
        kind, root = tree_of(statement)
        parameters = [each.get("location", 0) for _, each in walk({kind: root}, {"ParamRef"})]
        if parameters:
            place = whole.at(start + source.characters(min(parameters)))
            yield _fault(file, place, rules.PARAMETER)


def _miscommented(file: MigrationFile, script: Script) -> Iterator[MigrationFinding]:
    for directive in read_directives(file.text, script):
        if directive.misuse is not None:
            yield _fault(file, directive.position, rules.DIRECTIVE, reason=directive.misuse)
        elif directive.endless is not None:
            yield _fault(file, directive.position, rules.ENDLESS_BATCH, reason=directive.endless)
    for word, at in down_sections(file.text, script):
        yield _fault(file, at, rules.DOWN_SECTION, word=word)


def _misplaced(statement: Statement) -> Iterator[Rule]:
    if statement.kind in _OUT_OF_PLACE:
        yield _OUT_OF_PLACE[statement.kind]
    if statement.async_job == "index" and (probe(statement) or {}).get("name") is None:
        yield rules.UNNAMED_INDEX
    if statement.node == "Copy" and statement.is_dml:
        yield rules.COPY


def _crowded(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Rule]]:
    """Yield the statements that cannot share a file with the first one that changes rows or the catalog."""
    changing = [statement for statement in statements if statement.is_ddl or statement.is_dml]
    for statement in changing[1:]:
        if statement.is_ddl != changing[0].is_ddl:
            yield statement, rules.DDL_BESIDE_DML
        elif statement.is_ddl:
            yield statement, rules.ONE_DDL


def _fault(file: MigrationFile, at: Position, rule: Rule, **values: str) -> MigrationFinding:
    return MigrationFinding(file.path, at.line, at.column, rule, rule.text.format(**values), rule.remedy)


def _compile(file: MigrationFile, script: Script) -> CompiledMigration:
    given = {(directive.statement, directive.word) for directive in read_directives(file.text, script)}
    return CompiledMigration(
        version=file.version,
        name=file.name,
        checksum=file.checksum,
        kind="dml" if script.statements[0].is_dml else "ddl",
        statements=tuple(
            CompiledStatement(
                sql=statement.text,
                kind=_kind(statement),
                line=statement.position.line,
                column=statement.position.column,
                directives={word: (statement, word) in given for word in DIRECTIVES},
                probe=probe(statement),
                repeatable=repeatable(statement),
            )
            for statement in script.statements
        ),
    )


def _kind(statement: Statement) -> StatementKind:
    if statement.async_job is not None:
        return statement.async_job
    if statement.node in _GRANTS:
        return "grant"
    return "dml" if statement.is_dml else "ddl"
