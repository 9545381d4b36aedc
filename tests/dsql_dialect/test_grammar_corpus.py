"""No statement that the parser accepts makes a rule raise; a rule that raises hides no other finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dialect import PROFILES, Kind, Profile, details, libpg_query, parse, parser, profile
from dsql_dialect.migrations import MigrationErrors, compile_folder
from dsql_dialect.rules import INTERNAL_ERROR, Checks, checks
from tests.dsql_dialect.grammar_corpus import COLUMNS, CONSTRAINTS, CORPUS, HEADS, WRAPPERS

if TYPE_CHECKING:
    from pathlib import Path

    from dsql_dialect.rule import Node

EVERY_DIALECT = pytest.mark.parametrize("dialect", PROFILES, ids=lambda each: each.name)

# The statement nodes of PostgreSQL 16's grammar (gram.y, `stmt`), without those of other grammars.
NODES = (
    *("AlterCollation", "AlterDatabaseRefreshColl", "AlterDatabase", "AlterDatabaseSet"),
    *("AlterDefaultPrivileges", "AlterDomain", "AlterEnum", "AlterEventTrig", "AlterExtensionContents"),
    *("AlterExtension", "AlterFdw", "AlterForeignServer", "AlterFunction", "AlterObjectDepends"),
    *("AlterObjectSchema", "AlterOpFamily", "AlterOperator", "AlterOwner", "AlterPolicy", "AlterPublication"),
    *("AlterRole", "AlterRoleSet", "AlterSeq", "AlterStats", "AlterSubscription", "AlterSystem"),
    *(
        "AlterTSConfiguration",
        "AlterTSDictionary",
        "AlterTableMoveAll",
        "AlterTableSpaceOptions",
        "AlterTable",
    ),
    *("AlterType", "AlterUserMapping", "Call", "CheckPoint", "ClosePortal", "Cluster", "Comment"),
    *(
        "CompositeType",
        "ConstraintsSet",
        "Copy",
        "CreateAm",
        "CreateCast",
        "CreateConversion",
        "CreateDomain",
    ),
    *("CreateEnum", "CreateEventTrig", "CreateExtension", "CreateFdw", "CreateForeignServer"),
    *(
        "CreateForeignTable",
        "CreateFunction",
        "CreateOpClass",
        "CreateOpFamily",
        "CreatePLang",
        "CreatePolicy",
    ),
    *("CreatePublication", "CreateRange", "CreateRole", "CreateSchema", "CreateSeq", "CreateStats", "Create"),
    *("CreateSubscription", "CreateTableAs", "CreateTableSpace", "CreateTransform", "CreateTrig"),
    *("CreateUserMapping", "Createdb", "Deallocate", "DeclareCursor", "Define", "Delete", "Discard", "Do"),
    *("DropOwned", "DropRole", "Drop", "DropSubscription", "DropTableSpace", "DropUserMapping", "Dropdb"),
    *("Execute", "Explain", "Fetch", "Grant", "GrantRole", "Iam", "ImportForeignSchema", "Index", "Insert"),
    *("Listen", "Load", "Lock", "Merge", "Notify", "Prepare", "ReassignOwned", "RefreshMatView", "Reindex"),
    *("Rename", "Rule", "SecLabel", "Select", "Transaction", "Truncate", "Unlisten", "Update", "Vacuum"),
    *("VariableSet", "VariableShow", "View"),
)


def internal_errors(sql: str, dialect: Profile) -> list[str]:
    return [each.message for each in parse(sql, dialect).findings if each.rule is INTERNAL_ERROR]


@EVERY_DIALECT
def test_no_rule_raises(dialect: Profile) -> None:
    found = {sql: errors for sql in CORPUS if (errors := internal_errors(sql, dialect))}
    assert not found


def test_the_corpus_has_every_statement() -> None:
    """Statements are read by PostgreSQL, but for those of its grammar that the next release has changed."""
    read = {statement.node for sql in CORPUS for statement in parse(sql, profile()).statements}
    assert read - {""} == set(NODES)
    unread = [sql for sql in CORPUS if parse(sql, profile()).statements[0].kind is Kind.INVALID]
    assert unread == []


def test_no_statement_of_a_migration_raises(tmp_path: Path) -> None:
    """Each in a file of its own, so that the second half of the rules looks at it, too."""
    for number, sql in enumerate(CORPUS, 1):
        (tmp_path / f"{number:04}_x.sql").write_text(sql)
    for dialect in PROFILES:
        with pytest.raises(MigrationErrors) as caught:
            compile_folder(tmp_path, dialect)
        assert [str(each) for each in caught.value.findings if each.rule is INTERNAL_ERROR] == []


def test_no_accepted_statement_raises_when_it_is_compiled(tmp_path: Path) -> None:
    compiled = 0
    for sql in CORPUS:
        (tmp_path / "1_x.sql").write_text(sql)
        try:
            compiled += len(compile_folder(tmp_path, PROFILES[-1]).migrations)
        except MigrationErrors as errors:
            assert INTERNAL_ERROR not in [each.rule for each in errors.findings], sql
    assert compiled > 60


def is_sql(text: str) -> bool:
    try:
        return bool(libpg_query.parse(text.encode()))
    except libpg_query.SqlSyntaxError:
        return False


DEFINITIONS = st.builds(
    lambda head, columns: head.format(", ".join(columns)),
    st.sampled_from(HEADS),
    st.lists(
        st.builds("{} {}".format, st.sampled_from(COLUMNS), st.sampled_from(CONSTRAINTS)),
        min_size=1,
        max_size=3,
    ),
)
WRAPPED = st.builds(
    lambda wrapper, sql: wrapper.format(sql), st.sampled_from(WRAPPERS), st.sampled_from(CORPUS)
)


@given(DEFINITIONS | WRAPPED, st.sampled_from(PROFILES))
@settings(max_examples=400, deadline=None)
def test_no_combination_raises(sql: str, dialect: Profile) -> None:
    assert internal_errors(sql, dialect) == []


def test_combinations_are_mostly_sql() -> None:
    """The property above says nothing of a text that is none."""
    made = [head.format(f"{c} {d}") for head in HEADS for c in COLUMNS for d in CONSTRAINTS]
    made += [wrapper.format(sql) for wrapper in WRAPPERS for sql in CORPUS]
    assert sum(map(is_sql, made)) > 2000


def test_a_rule_that_raises_is_one_finding_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    known = checks(profile())

    def broken(node: Node) -> list[object]:
        raise KeyError("typeName")

    columns = [(rule, broken if rule.id == "serial" else find) for rule, find in known.rules["column"]]
    rules = {**known.rules, "column": tuple(columns)}
    monkeypatch.setattr(parser, "checks", lambda _: Checks(rules, known.wanted))  # type: ignore[arg-type]
    script = parser._parse("CREATE TABLE a (id serial, v money); TRUNCATE a", profile())
    assert [(each.rule.id, each.message, each.sqlstate) for each in script.findings] == [
        ("internal-error", "internal error in rule serial: KeyError: 'typeName'", "XX000"),
        ("column-type", "datatype money not supported", "0A000"),
        ("truncate", "unsupported statement: Truncate", "0A000"),
    ]


def test_a_fault_of_the_reader_is_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise IndexError("cmds")

    monkeypatch.setattr(details, "relations", broken)
    first, second = parser._parse("SELECT 1; TRUNCATE a", profile()).statements
    assert (first.kind, second.kind) == (Kind.INVALID, Kind.INVALID)
    assert first.finding is not None
    assert first.finding.message == "internal error in the dialect: IndexError: cmds"
    assert second.text == "TRUNCATE a"
