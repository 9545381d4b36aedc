"""The page about the local DSQL says what the code says."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from dsql_dialect.profiles import DEFAULT, NAMES, PROFILES
from local_dsql import Attempt, Fault, LocalCluster
from local_dsql.cli.inject import inject
from local_dsql.conformance.cases import Refusal
from local_dsql.conformance.facts_reader import cases, conflicts
from local_dsql.conformance.known import KNOWN_DIVERGENCES as KNOWN

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "local-dsql.md").read_text(encoding="utf-8")


def test_the_score_is_that_of_the_facts() -> None:
    asked = len(cases()) + len(conflicts())
    lines = [f"differs: {case} (divergence {known})" for case, known in sorted(KNOWN.items())]
    score = (
        f"{asked - len(KNOWN)} of {asked} recorded cases identical ({100 - 100 * len(KNOWN) / asked:.1f} %)"
    )
    assert "\n".join([score, *lines]) in PAGE
    assert f"| {asked - len(KNOWN)} of {asked} cases |" in PAGE
    assert f"of the {len(cases())} cases of one session" in PAGE


def test_the_refusals_are_those_of_the_facts() -> None:
    refused = [
        case.id
        for case in cases()
        for step in case.steps
        for answer in step.answers
        if isinstance(answer, Refusal)
    ]
    identical = sum(case not in KNOWN for case in refused)
    assert f"| {identical} of {len(refused)} with code and text |" in PAGE


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|local_dsql)/[\w./]+)`", PAGE))))
def test_named_files_exist(path: str) -> None:
    assert (PROJECT / path).exists()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


FAULTS = section("Fault injection")


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_every_fault_is_explained(fault: Fault) -> None:
    assert f"\n| `{fault.value}` | " in FAULTS


@pytest.mark.parametrize("name", [*inspect.signature(LocalCluster.inject).parameters][2:])
def test_everything_that_an_injection_can_be_given_is_in_the_table(name: str) -> None:
    assert re.search(rf"^\|.*[ `]{name}=.*\|", FAULTS, re.MULTILINE)


@pytest.mark.parametrize("option", [name for each in inject.params for name in each.opts if name[:2] == "--"])
def test_every_option_that_injects_is_mentioned(option: str) -> None:
    assert option in ("--path", "--json") or option in FAULTS


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Attempt)])
def test_everything_that_a_predicate_sees_is_mentioned(field: str) -> None:
    assert f"`{field}`" in FAULTS


def test_the_dialects_are_listed_as_they_are_defined() -> None:
    rows = re.findall(r"^\| `([\w-]+)`(, the default)? \| (.*) \|$", PAGE, re.MULTILINE)
    listed = [row for row in rows if row[0] in NAMES]
    assert listed == [
        (profile.name, ", the default" if profile is DEFAULT else "", profile.description)
        for profile in PROFILES
    ]
