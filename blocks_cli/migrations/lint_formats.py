"""Output formats of findings: text, JSON, SARIF and GitHub annotations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from blocks_cli import console

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blocks_cli.json_value import Json
    from dsql_dialect.migrations.errors import MigrationFinding, MoreAlike

    Format = Callable[[Sequence[MigrationFinding], int | None], str]

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(findings: Sequence[MigrationFinding], most: int | None = None) -> str:
    """Return three lines per finding: place and fault, reason with SQLSTATE, what to do.

    Findings of one kind in a file are shown up to a number (`most`, 0: all), the others are counted.
    """
    from dsql_dialect.migrations.errors import MOST_ALIKE, MoreAlike, folded

    return "\n".join(
        f"{console.display_path(each.path)}: {each.sentence}" if isinstance(each, MoreAlike) else _block(each)
        for each in folded(findings, MOST_ALIKE if most is None else most)
    )


def as_json(findings: Sequence[MigrationFinding], most: int | None = None) -> str:
    """Return a JSON object with the list `findings`, and where `most` left some out, the list `more` of numbers."""
    shown, more = _limited(findings, most)
    rows: list[Json] = [_row(finding) for finding in shown]
    found: dict[str, Json] = {"findings": rows}
    if more:
        found["more"] = [
            {"file": console.display_path(each.path), "rule": each.rule.id, "number": each.number}
            for each in more
        ]
    return json.dumps(found, indent=2)


def as_sarif(findings: Sequence[MigrationFinding], most: int | None = None) -> str:
    """Return a SARIF 2.1.0 log, for code scanning services."""
    findings, _ = _limited(findings, most)
    rules = {finding.rule.id: finding.rule for finding in findings}
    descriptions: Json = [
        {"id": rule.id, "shortDescription": {"text": rule.title}, "help": {"text": rule.hint}}
        for rule in sorted(rules.values(), key=lambda rule: rule.id)
    ]
    driver: Json = {"name": "blocks lint", "rules": descriptions}
    results: Json = [_result(finding) for finding in findings]
    run: Json = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def as_github(findings: Sequence[MigrationFinding], most: int | None = None) -> str:
    """Return one workflow command per finding, which GitHub shows at the line of the file."""
    findings, _ = _limited(findings, most)
    return "\n".join(
        f"::error file={_property(console.display_path(each.path))},line={each.line},col={each.column},"
        f"title={_property(each.rule.id)}::"
        + _message(f"{each.rule.title}: {each.why}. {each.remedy} {each.rule.explanation}")
        for each in findings
    )


FORMATS: Mapping[str, Format] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}


def _limited(
    findings: Sequence[MigrationFinding], most: int | None
) -> tuple[list[MigrationFinding], list[MoreAlike]]:
    """Return the findings up to a number of one kind in a file (0 or None: all), and the numbers of the others."""
    from dsql_dialect.migrations.errors import MigrationFinding, MoreAlike, folded

    all_of_them = [*folded(findings, most or 0)]
    return (
        [each for each in all_of_them if isinstance(each, MigrationFinding)],
        [each for each in all_of_them if isinstance(each, MoreAlike)],
    )


def _sqlstate(finding: MigrationFinding) -> str:
    return f" (SQLSTATE {finding.sqlstate})" if finding.sqlstate else ""


def _block(finding: MigrationFinding) -> str:
    place = f"{console.display_path(finding.path)}:{finding.line}:{finding.column}"
    what = f"{place}: {finding.rule.title} [{finding.rule.id}]"
    return f"{what}\n  why: {finding.why}{_sqlstate(finding)}\n  do:  {finding.remedy}"


def _row(finding: MigrationFinding) -> Json:
    return {
        "file": console.display_path(finding.path),
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule.id,
        "what": finding.rule.title,
        "why": finding.why,
        "sqlstate": finding.sqlstate or None,
        "remedy": finding.remedy,
    }


def _result(finding: MigrationFinding) -> Json:
    where: Json = {
        "artifactLocation": {"uri": quote(os.fsencode(Path(console.display_path(finding.path)).as_posix()))},
        "region": {"startLine": finding.line, "startColumn": finding.column},
    }
    text = f"{finding.rule.title}: {finding.why}{_sqlstate(finding)}. {finding.remedy}"
    return {
        "ruleId": finding.rule.id,
        "level": "error",
        "message": {"text": text},
        "locations": [{"physicalLocation": where}],
    }


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
