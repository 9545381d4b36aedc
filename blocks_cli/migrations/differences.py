"""Differences between two schemas, as data and as text."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks_cli.json_value import Json
    from blocks_cli.migrations.catalog import Definition


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that differs; `expected` and `actual` are its SQL, None if it is missing."""

    kind: str
    name: str
    expected: str | None
    actual: str | None

    @property
    def word(self) -> str:
        """Kind of difference: missing, extra or differs."""
        return "missing" if self.actual is None else "extra" if self.expected is None else "differs"


def compare(expected: Iterable[Definition], actual: Iterable[Definition]) -> tuple[Difference, ...]:
    """Return the differences in the order of `expected`, extra objects last."""
    wanted = {(each.kind, each.name): each.sql for each in expected}
    there = {(each.kind, each.name): each.sql for each in actual}
    return tuple(
        Difference(kind, name, wanted.get((kind, name)), there.get((kind, name)))
        for kind, name in (wanted | there)
        if wanted.get((kind, name)) != there.get((kind, name))
    )


def render(differences: Iterable[Difference]) -> str:
    """Return the differences as text: one line each, and the SQL lines that differ."""
    return "\n".join(line for each in differences for line in _lines(each))


def as_row(difference: Difference) -> Json:
    """Return a difference as JSON; the keys are stable."""
    return {
        "difference": difference.word,
        "kind": difference.kind,
        "name": difference.name,
        "expected": difference.expected,
        "actual": difference.actual,
    }


def _lines(each: Difference) -> list[str]:
    diff = difflib.ndiff((each.expected or "").splitlines(), (each.actual or "").splitlines())
    marked = {"- ": "files     ", "+ ": "database  "}
    lines = [f"    {marked[line[:2]]}{line[2:]}" for line in diff if line[:2] in marked]
    return [f"{each.word:<8} {each.kind} {each.name}", *lines]
