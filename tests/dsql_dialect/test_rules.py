"""Every rule has all its parts, refuses its own example and accepts the near miss."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from dsql_dialect import PROFILES, RULES, TransactionRules, parse, profile
from dsql_dialect.profiles import first_allowing, way_out
from dsql_dialect.rule import Rule, Scope
from dsql_dialect.rules import core
from dsql_dialect.rules.making import always

if TYPE_CHECKING:
    from dsql_dialect import Profile

PORTABLE, NEWEST = PROFILES[0], PROFILES[-1]
EVERY = pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)


def broken(sql: str, dialect: Profile) -> list[str]:
    """Return the ids of the rules that a text breaks, those on transactions included."""
    script = parse(sql, dialect)
    of_transaction = TransactionRules().first_refusal(script.statements)
    found = [*script.findings, *([of_transaction] if of_transaction else [])]
    return [finding.rule.id for finding in found]


@EVERY
def test_has_all_its_parts(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert re.fullmatch(r"[0-9A-Z]{5}", rule.sqlstate)
    assert rule.remedy.endswith((".", "…", ")"))
    assert not rule.title.endswith(".")
    assert rule.text and rule.source and rule.refused and rule.accepted
    if (
        rule.scope is Scope.STATEMENT
        and rule
        not in (
            core.ENCODING,
            core.SYNTAX,
            core.NOT_IMPLEMENTED,
            core.UNSUPPORTED_STATEMENT,
        )
        and not rule.in_body
    ):
        assert rule.nodes
        assert rule.find is not None


def test_ids_are_unique() -> None:
    from dsql_dialect import rules

    listed = [rule.id for file in rules._FILES for rule in file.RULES]
    assert len(listed) == len(set(listed)) == len(RULES)


@EVERY
def test_refuses_its_example(rule: Rule) -> None:
    for dialect in PROFILES:
        assert (rule.id in broken(rule.refused, dialect)) == rule.refuses(dialect)
    assert any(rule.refuses(dialect) for dialect in PROFILES)


@EVERY
def test_answers_in_the_words_of_the_dialect(rule: Rule) -> None:
    later = rule.reworded
    for dialect in PROFILES if later is not None else ():
        (finding,) = (each for each in parse(rule.refused, dialect).findings if each.rule is rule)
        assert later is not None and later.source
        answered = (later.sqlstate, later.text, later.detail)
        first = (rule.sqlstate, rule.text, "")
        sqlstate, text, detail = answered if later.since <= dialect.as_of else first
        assert (finding.sqlstate, finding.detail) == (sqlstate, detail)
        assert finding.message.startswith(text.split("{")[0])


@EVERY
def test_accepts_the_near_miss(rule: Rule) -> None:
    assert broken(rule.accepted, NEWEST) == []
    assert rule.id not in broken(rule.accepted, PORTABLE)


@EVERY
def test_finding_is_placed_and_worded(rule: Rule) -> None:
    if rule.scope is Scope.STATEMENT:
        findings = [
            each
            for dialect in PROFILES
            for each in parse(rule.refused, dialect).findings
            if each.rule is rule
        ]
        assert findings or (rule.find is None and not rule.in_body)
        for finding in findings:
            assert "{" not in finding.message
            assert 0 <= finding.position.offset <= len(rule.refused)
            assert finding.position.line >= 1
            assert finding.position.column >= 1


@EVERY
def test_lifted_rule_names_the_dialect_that_allows(rule: Rule) -> None:
    finding = next((each for each in parse(rule.refused, PORTABLE).findings if each.rule is rule), None)
    if rule.lifted is None or finding is None:
        return
    newer = first_allowing(rule.lifted)
    assert newer is not None
    assert finding.remedy.endswith(way_out(rule.lifted))
    assert all(part in finding.remedy for part in (newer.name, "[tool.blocks]", str(rule.lifted)))


def test_unlifted_rule_names_no_dialect() -> None:
    (finding,) = parse("TRUNCATE a", PORTABLE).findings
    assert "choose dialect" not in finding.remedy


def test_a_rule_without_a_part_cannot_be_made() -> None:
    fields = {field.name for field in dataclasses.fields(Rule) if field.default is dataclasses.MISSING}
    assert fields >= {"id", "title", "remedy", "sqlstate", "text", "source", "refused", "accepted"}
    with pytest.raises(TypeError, match="remedy"):
        Rule(id="x", title="X", sqlstate="0A000", text="x", source="x", refused="x", accepted="x")  # type: ignore[call-arg]


def test_always_hits_once() -> None:
    assert len(list(always({}))) == 1


def test_unknown_dialect_lists_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"unknown dialect '2099-01'; choose one of: portable, 2026-09, 2026-11"
    ):
        profile("2099-01")
