"""Explanations of codes: every refusal and every error class has one, and its anchor is on the page that it names."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg.errors
import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.explanations import Kind, explanation, explanations, nearest
from blocks_cli.explanations.runtime_errors import classes_of
from blocks_cli.main import main
from blocks_cli.migrations.folder import explain
from blocks_cli.migrations.lint_formats import FORMATS
from blocks_runtime.database.classification import classify
from blocks_runtime.errors import DatabaseError, FeatureNotSupported, UniqueConstraintViolation
from dsql_dialect.migrations.errors import MigrationErrors, MigrationFinding
from dsql_dialect.migrations.rules import RULES as MIGRATION_RULES
from dsql_dialect.rules import INTERNAL_ERROR, RULES
from local_dsql.divergences import DIVERGENCES
from tests.test_links import anchors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Rule
    from local_dsql import LocalCluster

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("blocks", "blocks_settings", "custom_resource", "dsql_dialect", "lambda_migrator", "lambda_peering"),
    *("local_dsql", "local_dynamodb", "migration_manifest", "runtime/blocks_runtime"),
)
"""Packages whose errors a user of the library gets. `blocks` prints its own errors with reason and remedy."""


@cache
def source() -> str:
    """Return the text of all modules of the packages."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return "".join(file.read_text("utf-8") for file in files if "conformance" not in file.parts)


def known(code: str) -> bool:
    """Return whether a code has an entry of its own."""
    found = explanation(code)
    return found is not None and found.code == code and not found.anchor


def is_sqlstate(text: str) -> bool:
    """Return whether a text is a SQLSTATE of PostgreSQL."""
    try:
        psycopg.errors.lookup(text)
    except KeyError:
        return False
    return True


def subclasses(base: type[DatabaseError]) -> Iterator[type[DatabaseError]]:
    """Yield the classes of a tree, the base included."""
    yield base
    for each in base.__subclasses__():
        yield from subclasses(each)


def test_every_rule_is_explained() -> None:
    ids = {rule.id for rule in (*RULES.values(), *MIGRATION_RULES, INTERNAL_ERROR)}
    assert len(ids) > 150
    assert {code for code in ids if not known(code)} == set()


def test_every_known_difference_is_explained() -> None:
    assert {each.id for each in DIVERGENCES if not known(each.id)} == set() != {*DIVERGENCES}


def test_every_error_of_the_runtime_is_explained() -> None:
    names = {
        each.__name__ for each in subclasses(DatabaseError) if each.__module__.startswith("blocks_runtime")
    }
    assert len(names) > 25
    assert {name for name in names if not known(name)} == set()


NAMED = re.compile(r"blocks explain-error ([\w-]+)")
"""The command that a message names."""


@pytest.mark.parametrize("kind", [*subclasses(DatabaseError)], ids=lambda kind: kind.__name__)
def test_the_text_of_an_error_ends_with_the_command_that_explains_it(kind: type[DatabaseError]) -> None:
    error = kind("a failure", sqlstate="XX000")
    error.statement = "SELECT $1"
    last = str(error).splitlines()[-1]
    named = NAMED.findall(last)
    assert [last] == [f"EXPLANATION:  blocks explain-error {name}" for name in named]
    assert all(map(known, named))
    assert kind.__name__ in named or not kind.__module__.startswith("blocks_runtime")


def test_an_error_class_of_an_application_is_explained_by_its_base() -> None:
    class SoldOut(UniqueConstraintViolation):
        """The last seat is sold."""

    assert str(SoldOut("sold out")).endswith("EXPLANATION:  blocks explain-error UniqueConstraintViolation")


def test_a_text_of_an_error_names_one_command() -> None:
    """The hint of the local DSQL names the rule, which says more than the class."""
    error = FeatureNotSupported("unsupported statement: Truncate", advice=RULES["truncate"].hint)
    assert NAMED.findall(str(error)) == ["truncate"]


@pytest.mark.parametrize(
    "rule", [*RULES.values(), *MIGRATION_RULES, INTERNAL_ERROR], ids=lambda rule: rule.id
)
def test_the_hint_of_a_rule_names_the_command_that_explains_it(rule: Rule) -> None:
    assert rule.hint.startswith(rule.remedy)
    assert NAMED.findall(rule.hint) == [rule.id]
    finding = MigrationFinding(Path("001_a.sql"), 1, 1, rule, "a reason", rule.remedy, rule.sqlstate)
    assert NAMED.findall(str(MigrationErrors([finding])).splitlines()[-1]) == [rule.id]
    assert NAMED.findall(explain([finding]).remedy) == [rule.id]
    assert NAMED.findall(FORMATS["github"]([finding], None)) == [rule.id]


def test_the_local_dsql_names_the_command_in_its_hint(dsql_empty: LocalCluster) -> None:
    with psycopg.connect(dsql_empty.dsn(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported) as refused:
            connection.execute("TRUNCATE accounts")
    assert refused.value.diag.message_primary == "unsupported statement: Truncate"
    assert refused.value.diag.message_hint == RULES["truncate"].hint


def test_every_sqlstate_in_the_code_is_explained() -> None:
    sent = {text for text in re.findall(r'"([0-9A-Z]{5})"', source()) if is_sqlstate(text)}
    assert {"40001", "0A000", "54000", "08P01"} < sent
    assert {code for code in sent if not known(code)} == set()


def test_every_conflict_code_in_the_code_is_explained() -> None:
    codes = set(re.findall(r"\bOC\d{3}\b", source()))
    assert {"OC000", "OC001"} <= codes
    assert {code for code in codes if not known(code)} == set()


def test_every_error_with_three_parts_is_explained() -> None:
    """Found by the base classes in the text, so that a new class cannot be left out."""
    bases = {
        name: set(re.findall(r"\w+", of))
        for name, of in re.findall(r"^class (\w+)\((.*?)\):", source(), re.MULTILINE)
    }
    found, before = {"ExplainedError", "MigrationErrors", "BudgetExceeded"}, set[str]()
    while found != before:
        before = set(found)
        found |= {name for name, of in bases.items() if of & found}
    found.remove("ExplainedError")
    assert len(found) > 12
    assert {name for name in found if not known(name)} == set()


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_each_explanation_has_a_cause_and_a_remedy_in_sentences(kind: Kind) -> None:
    found = [each for each in explanations() if each.kind is kind]
    assert found
    texts = [(each.code, text) for each in found for text in (each.meaning, each.cause, each.remedy)]
    assert [(code, text) for code, text in texts if len(text) < 8 or not text.endswith((".", "?", ")"))] == []


def test_every_anchor_is_on_its_page_and_there_once() -> None:
    places = [each.page for each in explanations()]
    assert len(set(places)) == len(places)
    on_pages = {f"{kind.page}#{anchor}" for kind in Kind for anchor in anchors(ROOT / kind.page)}
    assert {place for place in places if place not in on_pages} == set()
    other = explanation("42P08")
    assert other is not None
    assert other.page in on_pages


@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [
        ("40001", "change conflicts with another transaction (OC000)"),
        ("54000", "transaction age limit of 300s exceeded"),
        ("XX000", "server unavailable"),
        ("08P01", "access denied"),
        ("53300", ""),
        ("42601", "syntax error"),
    ],
)
def test_the_classes_of_a_sqlstate_are_those_that_the_runtime_raises(sqlstate: str, text: str) -> None:
    assert classify(sqlstate, text).__name__ in classes_of(sqlstate)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("OC000", "OC000"),
        ("(oc001)", "OC001"),
        ("[truncate]", "truncate"),
        ("blocks_runtime.errors.AccessDenied", "AccessDenied"),
        ("serializationfailure:", "SerializationFailure"),
        ("0a000", "0A000"),
        ("42P08", "42P08"),
    ],
)
def test_a_code_is_found_as_messages_write_it(written: str, code: str) -> None:
    found = explanation(written)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize("unknown", ["99999", "", "no-such-rule", "Exception"])
def test_an_unknown_code_has_no_explanation(unknown: str) -> None:
    assert explanation(unknown) is None


@pytest.mark.parametrize(
    ("typed", "near"),
    [("truncat", "truncate"), ("OC0000", "OC000"), ("SerialisationFailure", "SerializationFailure")],
)
def test_the_nearest_code_is_suggested(typed: str, near: str) -> None:
    assert nearest(typed) == near


def run(capture: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["explain-error", *arguments])
    out, err = capture.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def test_the_command_prints_meaning_cause_remedy_and_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "truncate")
    assert (code, err) == (ExitCode.OK, "")
    assert out.splitlines()[0] == "truncate: TRUNCATE is not supported."
    assert [line.split(":")[0].strip() for line in out.splitlines()[1:3]] == ["why", "do"]
    assert out.splitlines()[-1] == "  page: docs/rules.md#truncate"


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "OC001", "--json")
    found = json.loads(out)
    assert code == ExitCode.OK
    assert [*found] == ["code", "kind", "meaning", "why", "remedy", "facts", "page"]
    assert (found["kind"], found["page"]) == ("conflict", "docs/errors.md#oc001")


def test_the_command_suggests_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "seriall", "--json")
    assert code == ExitCode.USAGE
    assert "did you mean `blocks explain-error serial`?" in err
    assert json.loads(out)["exitCode"] == ExitCode.USAGE
