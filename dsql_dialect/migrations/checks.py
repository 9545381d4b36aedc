"""Faults of files of SQL: refusals of DSQL, names that it does not know, and the rules of a folder of migrations."""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from dsql_dialect.json_tree import walk
from dsql_dialect.limits import ROWS_PER_TRANSACTION
from dsql_dialect.migrations import extensions, own_tables, psql, remedies, roles, row_limit, rules
from dsql_dialect.migrations.directives import down_sections, read_directives
from dsql_dialect.migrations.errors import MigrationFinding, in_one_line
from dsql_dialect.migrations.primary_keys import PrimaryKeys
from dsql_dialect.migrations.probe import tree_of
from dsql_dialect.parser import parse
from dsql_dialect.position import Position, Source
from dsql_dialect.rules import INTERNAL_ERROR
from dsql_dialect.statement import Kind
from dsql_dialect.transaction_rules import BOUNDARIES, TransactionRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dsql_dialect.migrations.directives import Directive, DownSection
    from dsql_dialect.migrations.files import SqlFile
    from dsql_dialect.migrations.psql import PsqlText
    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Finding, Rule
    from dsql_dialect.statement import Script, Statement

_OUT_OF_PLACE = {
    Kind.TRANSACTION: rules.TRANSACTION_CONTROL,
    Kind.SESSION: rules.SESSION,
    Kind.QUERY: rules.QUERY,
}
"""Statements that no migration has, in whatever form: the remedy of the rule is the one to give."""

_OF_PARAMETERS = frozenset({"VariableSet", "VariableShow"})
_OUT_OF_PLACE_AS_ACCEPTED = {Kind.UTILITY: rules.UTILITY, Kind.CALL: rules.CALL}
_UNSEEN = {"Do": rules.DO, "Call": rules.CALL_PROCEDURE}
"""Statements that change rows, but not as a migration does: by their node."""
_START = Position(0, 1, 1)


@dataclass(frozen=True)
class ReadFile:
    """A file with its statements; `text` is without the lines that psql keeps to itself."""

    file: SqlFile
    text: PsqlText
    script: Script

    @cached_property
    def source(self) -> Source:
        """The text, for positions in it: they are those of the file, too."""
        return Source(self.text.sql)

    @classmethod
    def of(cls, file: SqlFile, profile: Profile) -> ReadFile:
        """Read a file in a dialect."""
        text = psql.read(file.text)
        with _collector_paused():
            return cls(file, text, parse(text.sql, profile))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's cyclic garbage collector: trees have no cycles, and it would take half of the time of a dump."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Names:
    """Names that statements of the files define, and the primary keys that they have made so far."""

    defined: frozenset[str]
    roles: frozenset[str]
    procedures: frozenset[str] = frozenset()
    primary_keys: PrimaryKeys = field(default_factory=PrimaryKeys)

    @classmethod
    def of(cls, files: Iterable[ReadFile]) -> Names:
        """Return the names that files define together."""
        statements = [each for file in files for each in file.script.statements if not each.is_unreadable]
        return cls(
            extensions.defined(statements), roles.created(statements), extensions.procedures(statements)
        )


def faults_in_folder(files: Sequence[ReadFile]) -> Iterator[MigrationFinding]:
    """Yield the faults of migrations, in the order in which they run."""
    names = Names.of(files)
    for file in files:
        yield from _migration_faults(file, names)


def faults_of_files(files: Sequence[ReadFile]) -> Iterator[MigrationFinding]:
    """Yield the faults of files that any client sends, statement by statement: without the rules of a folder."""
    names = Names.of(files)
    for file in files:
        state = TransactionRules()
        in_block = False
        for statement in file.script.statements:
            yield from (_told(file, each, each.remedy) for each in statement.findings)
            yield from _guarded(file, statement, _unknown(file, statement, names))
            refusal = state.refusal(statement) if in_block else None
            if refusal is not None:
                yield _told(file, refusal, refusal.remedy)
            state = state.after(statement)
            if statement.transaction in BOUNDARIES:
                in_block = statement.transaction == "BEGIN"
        yield from _overfull(file, row_limit.of_client(file.script.statements), ROWS_PER_TRANSACTION)


def _migration_faults(file: ReadFile, names: Names) -> Iterator[MigrationFinding]:
    downs = [*down_sections(file.text.sql, file.script)]
    undoing = {id(each) for down in downs for each in down.statements}
    statements = [each for each in file.script.statements if id(each) not in undoing]
    if not file.script.statements and not file.text.commands:
        yield _fault(file, _START, rules.EMPTY)
    for offset, command in file.text.commands:
        yield _fault(file, file.source.at(offset), rules.PSQL_COMMAND, reason=in_one_line(command))
    for statement in statements:
        yield from _refused(file, statement)
        yield from _guarded(file, statement, _misplaced(file, statement))
        yield from _guarded(file, statement, _unknown(file, statement, names))
    yield from (_fault(file, each.position, rule) for each, rule in _crowded(statements))
    directives = [*read_directives(file.text.sql, file.script)]
    batches = [each.statement for each in directives if each.statement and not each.misuse]
    yield from _overfull(file, row_limit.of_migration(statements, batches), rules.ROWS_PER_MIGRATION)
    yield from _miscommented(file, directives, downs)


def _guarded(
    file: ReadFile, statement: Statement, found: Iterator[MigrationFinding]
) -> Iterator[MigrationFinding]:
    """Yield findings, and one more where the rules behind them raise."""
    try:
        yield from found
    except Exception as error:  # any fault of a rule: the findings of the others are kept
        values = {"place": "the rules on migrations", "error": f"{type(error).__name__}: {error}"}
        yield _fault(file, statement.position, INTERNAL_ERROR, **values)


def _refused(file: ReadFile, statement: Statement) -> Iterator[MigrationFinding]:
    """Yield the refusals of DSQL itself, each with what helps in a migration."""
    place = rules.COPY if _copies(statement) else None
    if statement.kind is not Kind.SESSION or statement.node in _OF_PARAMETERS:
        place = _OUT_OF_PLACE.get(statement.kind, place)
    for finding in statement.findings:
        yield _told(file, finding, finding.remedy_in_migration if place is None else place.remedy)


def _copies(statement: Statement) -> bool:
    return statement.node == "Copy" and statement.is_dml


def _misplaced(file: ReadFile, statement: Statement) -> Iterator[MigrationFinding]:
    """Yield the faults of statements that the migrator does not run."""
    at = statement.position
    if (table := own_tables.changed(statement)) is not None:
        yield _fault(file, at, rules.MIGRATOR_TABLE, name=table)
    if statement.node == "Index" and not statement.is_unreadable:
        _, root = tree_of(statement)
        if "idxname" not in root:
            yield _fault(file, at, rules.UNNAMED_INDEX, **remedies.index_name(statement))
    if statement.findings:
        return
    rule = (_OUT_OF_PLACE | _OUT_OF_PLACE_AS_ACCEPTED).get(statement.kind) or _UNSEEN.get(statement.node)
    if rule is rules.QUERY and "setval" in statement.functions:
        yield _fault(file, at, rules.SETVAL, **remedies.sequence_value(statement))
    elif rule is not None:
        yield _fault(file, at, rule)
    elif _copies(statement):
        yield _fault(file, at, rules.COPY)


def _unknown(file: ReadFile, statement: Statement, names: Names) -> Iterator[MigrationFinding]:
    """Yield what the server would refuse for what it has, or has not: names, roles, parameters, primary keys."""
    if not statement.backend_sql or statement.is_unreadable or statement.kind is Kind.INVALID:
        return
    missing = [*extensions.missing(statement, names.defined)]
    places = _places(file, statement, [at for at, _, _ in missing])
    for place, (_, rule, name) in zip(places, missing, strict=True):
        yield _fault(file, place, rule, name=name)
    for role in () if statement.findings else roles.unknown(statement, names.roles):
        yield _fault(file, statement.position, rules.UNKNOWN_ROLE, name=role)
    if (commented := extensions.commented(statement, names.procedures)) is not None:
        kind, name = commented
        yield _fault(file, statement.position, rules.MISSING_OBJECT, kind=kind, name=name)
    if names.primary_keys.drops(statement):
        yield _fault(file, statement.position, rules.DROP_PRIMARY_KEY)
    if statement.has_parameters and statement.node != "CreateFunction":
        kind, root = tree_of(statement)
        first = min(each.get("location", 0) for _, each in walk({kind: root}, {"ParamRef"}))
        (place,) = _places(file, statement, [first])
        yield _fault(file, place, rules.PARAMETER)


def _places(file: ReadFile, statement: Statement, offsets: Sequence[int]) -> list[Position]:
    """Return the places of byte offsets in a statement."""
    if not offsets:
        return []
    begin, within = statement.position.offset, Source(statement.parsed_sql)
    return [file.source.at(begin + within.characters(each)) for each in offsets]


def _overfull(
    file: ReadFile, transactions: Iterable[Sequence[Statement]], most: int
) -> Iterator[MigrationFinding]:
    for transaction in transactions:
        if (statement := row_limit.exceeding(transaction, most)) is not None:
            yield _fault(file, statement.position, rules.TOO_MANY_ROWS)


def _miscommented(
    file: ReadFile, directives: Iterable[Directive], downs: Iterable[DownSection]
) -> Iterator[MigrationFinding]:
    for directive in directives:
        if directive.misuse is not None:
            yield _fault(file, directive.position, rules.DIRECTIVE, reason=directive.misuse)
        elif directive.endless is not None:
            yield _fault(file, directive.position, rules.ENDLESS_BATCH, reason=directive.endless)
    for down in downs:
        yield _fault(file, down.position, rules.DOWN_SECTION, word=down.word)


def _crowded(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Rule]]:
    """Yield the statements that cannot share a file with the first one that changes rows or the catalog."""
    changing = [statement for statement in statements if statement.is_ddl or statement.is_dml]
    for statement in changing[1:]:
        if statement.is_ddl != changing[0].is_ddl:
            yield statement, rules.DDL_BESIDE_DML
        elif statement.is_ddl:
            yield statement, rules.ONE_DDL


def _told(file: ReadFile, finding: Finding, remedy: str) -> MigrationFinding:
    at, why = finding.position, in_one_line(finding.message)
    return MigrationFinding(file.file.path, at.line, at.column, finding.rule, why, remedy, finding.sqlstate)


def _fault(file: ReadFile, at: Position, rule: Rule, **values: str) -> MigrationFinding:
    why, remedy = rule.text.format(**values), rule.remedy.format(**values)
    return MigrationFinding(file.file.path, at.line, at.column, rule, why, remedy, rule.sqlstate)
