"""`blocks dialect`: compare dialects with each other, with migrations, and with a database."""

from __future__ import annotations

import itertools
import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from dsql_dialect import PROFILES, RULES, parse
from dsql_dialect.profiles import DEFAULT, NEWEST, RECORDED
from local_dsql.conformance.rule_examples import examples

if TYPE_CHECKING:
    from dsql_dialect import Profile
    from tests.blocks_cli.migrations.conftest import Project

MIGRATION = """CREATE TABLE accounts (
  id uuid PRIMARY KEY, owner text, owner_key text GENERATED ALWAYS AS (lower(owner)) STORED
);
CREATE TABLE orders (
  id uuid PRIMARY KEY, account_id uuid NOT NULL, customer_id uuid, data json
);
"""
LATER = """CREATE INDEX ASYNC by_owner ON accounts (owner_key);
CREATE TABLE entries (account_id uuid, order_id uuid REFERENCES orders, PRIMARY KEY (account_id));
"""


def test_diff_lists_every_rule_that_was_lifted(project: Project) -> None:
    printed = project.blocks("dialect", "diff", DEFAULT.name, NEWEST.name, "--json")
    assert printed.code == ExitCode.OK
    assert {each["rule"] for each in json.loads(printed.out)["accepted"]} == {
        each.id for each in RULES.values() if each.lifted is not None
    }


DIFFERENCES = [(old, new) for old, new in itertools.combinations(PROFILES, 2)]


@pytest.mark.parametrize(("old", "new"), DIFFERENCES, ids=lambda each: each.name)
def test_diff_lists_exactly_the_examples_that_are_answered_otherwise(
    project: Project, old: Profile, new: Profile
) -> None:
    before, after = (
        {each.rule.id: each.expected for each in examples(dialect) if each.sql == each.rule.refused}
        for dialect in (old, new)
    )
    printed = json.loads(project.blocks("dialect", "diff", old.name, new.name, "--json").out)
    told = {each["rule"] for each in printed["accepted"] + printed["otherAnswers"]}
    answered_otherwise = {rule for rule, expected in before.items() if expected != after[rule]}
    assert told <= answered_otherwise
    for rule in answered_otherwise - told:  # another rule refused the example, too
        assert told & {each.rule.id for each in parse(RULES[rule].refused, old).findings}
    assert all(after[each["rule"]] is None for each in printed["accepted"])
    assert all(after[each["rule"]] is not None for each in printed["otherAnswers"])


def test_diff_of_answers(project: Project) -> None:
    printed = project.blocks("dialect", "diff", RECORDED.name, NEWEST.name)
    assert printed.out.splitlines()[-2:] == [
        "2026-10-04  reserved-parameter: SET dsql.enable_batched = on",
        '            42602 invalid configuration parameter name "dsql.enable_batched"; '
        'before: 0A000 setting configuration parameter "dsql.enable_batched" not supported',
    ]
    assert "another answer" in printed.err


def test_diff_finds_work_arounds_in_migrations(project: Project) -> None:
    project.write({"001_tables": MIGRATION, "002_index": LATER})
    printed = project.blocks(
        "dialect", "diff", DEFAULT.name, NEWEST.name, "--migrations", "migrations", "--json"
    )
    found = [(each["rule"], each["line"], each["text"]) for each in json.loads(printed.out)["workArounds"]]
    assert found == [
        (
            "expression-index",
            1,
            "accounts.owner_key is generated for index by_owner; an index on the expression is possible",
        ),
        ("foreign-key", 4, "orders.account_id can be a foreign key: REFERENCES accounts"),
        ("jsonb-column", 4, "orders.data is json; the type jsonb is possible"),
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((NEWEST.name, DEFAULT.name), f"{NEWEST.name} is not older than {DEFAULT.name}"),
        ((NEWEST.name, NEWEST.name), f"{NEWEST.name} is not older than {NEWEST.name}"),
        ((DEFAULT.name, "2031"), "'2031' is not one of"),
    ],
)
def test_diff_of_no_two_dialects_in_order(project: Project, arguments: tuple[str, ...], why: str) -> None:
    refused = project.blocks("dialect", "diff", *arguments)
    assert refused.code == ExitCode.USAGE
    assert why in refused.err


@pytest.mark.slow
def test_probe_writes_the_answers_and_tells_the_differences(
    project: Project, cluster_keys: list[str]
) -> None:
    same = project.blocks(
        "dialect", "probe", *cluster_keys, "--yes", "--rules-only", "--output", "facts.toml"
    )
    assert same.code == ExitCode.OK, same.text
    assert "no differences" in same.err
    answers = tomllib.loads((project.folder / "facts.toml").read_text("utf-8"))
    assert len(answers["example"]) == len(examples(RECORDED))
    (project.folder / "facts.toml").unlink()

    other = project.blocks(
        "dialect", "probe", "--against", DEFAULT.name, "--rules-only", "--exit-code", "--json"
    )
    assert other.code == ExitCode.PENDING, other.text
    differing = {each["rule"] for each in json.loads(other.out)["rules"]}
    assert {each.id for each in RULES.values() if RECORDED.lifts(each.lifted)} <= differing


def test_a_cluster_is_asked_with_consent_only(project: Project, cluster_keys: list[str]) -> None:
    refused = project.blocks("dialect", "probe", *cluster_keys, "--rules-only")
    assert refused.code != ExitCode.OK
    assert project.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'blocks_probe'") == [(0,)]


@pytest.mark.slow
def test_recorded_cases_are_answered_as_recorded(project: Project) -> None:
    printed = project.blocks("dialect", "probe")
    assert printed.code == ExitCode.OK, printed.text
    assert "no differences" in printed.err, printed.text
