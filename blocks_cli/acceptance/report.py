"""The report of a run, as Markdown for an issue and as JSON. It has no account, cluster, host name or token."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_cli.acceptance.check import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks_cli.acceptance.checks import Outcome
    from blocks_cli.json_value import Json

_SECRETS = (
    (re.compile(r"\b[a-z2-7]{26}\b"), "<cluster>"),
    (re.compile(r"(?<![0-9.])[0-9]{12}(?![0-9.])"), "<account>"),
    (re.compile(r"\bvpce-svc-[0-9a-f]+\b"), "<service>"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), "<key>"),
    (re.compile(r"X-Amz-[A-Za-z-]+=[^&\s\"']+"), "<token>"),
)


def redacted(text: str) -> str:
    """Return a text without account, cluster identifiers, endpoint services, keys and tokens."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@dataclass
class Report:
    """A run: where and with what, steps of the stack with result and seconds, outcomes, and what was left behind."""

    release: str
    day: str
    place: str
    steps: list[tuple[str, str, float]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    interrupted: bool = False
    failed: bool = False
    """True if the stack could not be deployed or deleted."""

    @property
    def differing(self) -> list[Outcome]:
        """Outcomes that differ from the claims, or that could not be asked."""
        return [each for each in self.outcomes if each.finding.verdict in (Verdict.DIFFERS, Verdict.FAILED)]

    def summary(self) -> str:
        """Return the number of outcomes with each verdict."""
        counts = dict.fromkeys(Verdict, 0)
        for each in self.outcomes:
            counts[each.finding.verdict] += 1
        return ", ".join(f"{number} {verdict.value}" for verdict, number in counts.items() if number)

    def markdown(self) -> str:
        """Return the report as Markdown."""
        lines = [
            f"# Acceptance of blocks-dsql {self.release}",
            "",
            f"{self.day}, {self.place}. {self.summary()}.",
            "",
            *_table(("step", "result", "s"), [(name, result, f"{s:.1f}") for name, result, s in self.steps]),
            *_table(
                ("check", "what it would prove", "result", "s"),
                [
                    (
                        f"`{each.check.id}`",
                        each.check.proves,
                        each.finding.verdict.value,
                        f"{each.seconds:.1f}",
                    )
                    for each in self.outcomes
                ],
            ),
        ]
        for each in self.outcomes:
            lines += [f"## {each.check.id}: {each.finding.verdict.value}", "", "```"]
            lines += [f"cluster: {each.finding.answer}"]
            lines += [f"claim:   {each.finding.claim}"] if each.finding.claim else []
            lines += ["```", ""]
        if self.left:
            lines += ["## Left behind", "", *(f"- {each}" for each in self.left), ""]
        return redacted("\n".join(lines))

    def json(self) -> Json:
        """Return the report as JSON."""
        checks: Json = [
            {
                "id": each.check.id,
                "proves": each.check.proves,
                "settles": [*each.check.settles],
                "verdict": each.finding.verdict.name.lower(),
                "answer": redacted(each.finding.answer),
                "claim": redacted(each.finding.claim),
                "seconds": round(each.seconds, 2),
            }
            for each in self.outcomes
        ]
        steps: Json = [
            {"step": name, "result": redacted(result), "seconds": round(seconds, 2)}
            for name, result, seconds in self.steps
        ]
        return {
            "release": self.release,
            "day": self.day,
            "place": self.place,
            "steps": steps,
            "checks": checks,
            "leftBehind": [redacted(each) for each in self.left],
        }


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [[*head], ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""] if len(lines) > 2 else []
