"""The faults of a folder of migrations, all of them at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from blocks_runtime.contract import explain_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dsql_dialect.rule import Rule

MOST_ALIKE = 10
"""Findings of one rule in one file that a text shows; the others are counted."""

_LONGEST = 200
"""Characters of a reason that are shown."""


@dataclass(frozen=True, slots=True)
class MigrationFinding:
    """One fault of a migration: its place (`line` and `column` from 1, in characters), rule, reason and remedy.

    `sqlstate` is that of DSQL, empty for faults that DSQL does not refuse.
    """

    path: Path
    line: int
    column: int
    rule: Rule
    why: str
    remedy: str
    sqlstate: str

    @property
    def place(self) -> str:
        """The place as `file:line:column`, which editors and terminals link."""
        return f"{self.path}:{self.line}:{self.column}"

    def __str__(self) -> str:
        sqlstate = f" (SQLSTATE {self.sqlstate})" if self.sqlstate else ""
        what = f"{self.place}: {self.rule.title} [{self.rule.id}]"
        return f"{what}\n  why: {self.why}{sqlstate}\n  do:  {self.remedy}"


@dataclass(frozen=True, slots=True)
class MoreAlike:
    """Findings of one rule in one file that are counted only."""

    path: Path
    rule: Rule
    number: int

    @property
    def sentence(self) -> str:
        """The number and the rule: `15,606 more like this [ddl-beside-dml]`."""
        return f"{self.number:,} more like this [{self.rule.id}]"

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}"


class MigrationErrors(ValueError):
    """A folder of migrations cannot be compiled; `findings` are all its faults, ordered by place.

    The text has a block of three lines for each: place and fault, reason with SQLSTATE, remedy. Of each rule it shows
    the first `MOST_ALIKE` in a file, and counts the others. The last line is `explained_by`.
    """

    def __init__(self, findings: Sequence[MigrationFinding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join([*map(str, folded(self.findings)), explained_by(self.findings)]))

    def __reduce__(self) -> tuple[type[MigrationErrors], tuple[tuple[MigrationFinding, ...]]]:
        return type(self), (self.findings,)


def folded(
    findings: Iterable[MigrationFinding], most: int = MOST_ALIKE
) -> Iterator[MigrationFinding | MoreAlike]:
    """Yield the first `most` findings of each rule in each file, and behind the file's the numbers of the others.

    Findings are ordered by file; 0 is no limit.
    """
    for path, of_file in groupby(findings, key=lambda each: each.path):
        seen: Counter[str] = Counter()
        rules: dict[str, Rule] = {}
        for finding in of_file:
            seen[finding.rule.id] += 1
            rules[finding.rule.id] = finding.rule
            if not most or seen[finding.rule.id] <= most:
                yield finding
        yield from (
            MoreAlike(path, rules[name], number - most)
            for name, number in seen.items()
            if most and number > most
        )


def by_kind(findings: Iterable[MigrationFinding]) -> list[tuple[int, Rule]]:
    """Return the number of findings of each rule, the most frequent first."""
    rules = {finding.rule.id: finding.rule for finding in findings}
    numbers = Counter(finding.rule.id for finding in findings)
    return [(number, rules[name]) for name, number in numbers.most_common()]


def explained_by(findings: Iterable[MigrationFinding]) -> str:
    """Return the command that explains the rule of the findings; of several rules, with RULE in place of the id."""
    ids = {each.rule.id for each in findings}
    return f"explained by `{explain_command(ids.pop() if len(ids) == 1 else 'RULE')}`"


def in_one_line(reason: str) -> str:
    """Return the first line of a reason, cut to a length that a terminal shows.

    PostgreSQL quotes all of a text whose quote does not end, and characters that a terminal does not show, or obeys.
    """
    line, _, more = reason.partition("\n")
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line[: _LONGEST + 1])
    return line if len(line) <= _LONGEST and not more else f"{line[:_LONGEST]}…"
