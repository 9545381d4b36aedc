"""The report names no account, cluster or key, and the options of the command are checked."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from blocks_cli.acceptance.check import Check, Finding, Verdict
from blocks_cli.acceptance.checks import CHECKS, Outcome
from blocks_cli.acceptance.report import Report, redacted
from blocks_cli.errors import CommandError
from blocks_cli.main import cli


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws", "<cluster>.dsql.us-east-1.on.aws"),
        ("arn:aws:iam::123456789012:role/x", "arn:aws:iam::<account>:role/x"),
        ("ASIAABCDEFGHIJKLMNOP", "<key>"),
        ("?X-Amz-Signature=0a1b&X-Amz-Date=2026", "?<token>&<token>"),
        ("com.amazonaws.vpce.us-east-1.vpce-svc-0123abcd", "com.amazonaws.vpce.us-east-1.<service>"),
        (
            "numeric 1234567890123456789.123456789, 3000 rows",
            "numeric 1234567890123456789.123456789, 3000 rows",
        ),
    ],
)
def test_identifiers_are_redacted(text: str, expected: str) -> None:
    assert redacted(text) == expected


def report() -> Report:
    made = Report("0.1", "2026-11-30", "us-east-1")
    made.steps.append(("cdk deploy", "done", 61.26))
    for verdict in Verdict:
        check = Check(f"check-{verdict.name.lower()}", "a | claim", lambda _: Finding(Verdict.HOLDS, ""))
        made.outcomes.append(Outcome(check, Finding(verdict, "123456789012 said", "other"), 1.0))
    made.left.append("cluster abcdefghijklmnopqrstuvwxyz: ACTIVE")
    return made


def test_markdown_has_steps_checks_and_what_is_left() -> None:
    text = report().markdown()
    assert "| cdk deploy | done | 61.3 |" in text
    assert "| `check-differs` | a \\| claim | differs | 1.0 |" in text
    assert "cluster: <account> said\nclaim:   other" in text
    assert "- cluster <cluster>: ACTIVE" in text


def test_json_has_the_same() -> None:
    made = json.loads(json.dumps(report().json()))
    assert [each["verdict"] for each in made["checks"]] == [each.name.lower() for each in Verdict]
    assert made["checks"][0]["answer"] == "<account> said"
    assert made["leftBehind"] == ["cluster <cluster>: ACTIVE"]


def test_what_differs_or_failed_counts() -> None:
    assert {each.finding.verdict for each in report().differing} == {Verdict.DIFFERS, Verdict.FAILED}
    assert report().summary() == "1 holds, 1 differs, 1 measured, 1 not settled, 1 could not be asked"


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (["--only", "cold-strat"], "--only cold-strat: there is no such check", "did you mean cold-start?"),
        (["--peer", "us-east-2"], "--peer needs --witness", "pass --witness as well"),
        (["--witness", "us-east-2"], "--witness needs --peer", "pass --peer as well"),
        (["--local", "--region", "us-east-1"], "--local and a Region", "omit one of them"),
    ],
)
def test_wrong_options(arguments: list[str], what: str, remedy: str) -> None:
    result = CliRunner().invoke(cli, ["acceptance", *arguments])
    assert isinstance(result.exception, CommandError)
    assert (result.exception.what, result.exception.remedy) == (what, remedy)


def test_list_as_json_has_all_checks() -> None:
    result = CliRunner().invoke(cli, ["acceptance", "--list", "--json"])
    assert [each["id"] for each in json.loads(result.stdout)] == [each.id for each in CHECKS]
