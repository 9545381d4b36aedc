"""The faults of a folder of migrations, all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dsql_dialect.rule import Rule


@dataclass(frozen=True, slots=True)
class MigrationFinding:
    """One fault of a migration: its place (`line` and `column` from 1, in characters), rule, reason and remedy."""

    path: Path
    line: int
    column: int
    rule: Rule
    why: str
    remedy: str

    @property
    def place(self) -> str:
        """The place as `file:line:column`, which editors and terminals link."""
        return f"{self.path}:{self.line}:{self.column}"

    def __str__(self) -> str:
        sqlstate = f" (SQLSTATE {self.rule.sqlstate})" if self.rule.sqlstate else ""
        what = f"{self.place}: {self.rule.title} [{self.rule.id}]"
        return f"{what}\n  why: {self.why}{sqlstate}\n  do:  {self.remedy}"


class MigrationErrors(ValueError):
    """A folder of migrations cannot be compiled; `findings` are all its faults, ordered by place.

    The text has a block of three lines for each: place and fault, reason with SQLSTATE, remedy.
    """

    def __init__(self, findings: Sequence[MigrationFinding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))

    def __reduce__(self) -> tuple[type[MigrationErrors], tuple[tuple[MigrationFinding, ...]]]:
        return type(self), (self.findings,)
