"""The verdict on each case, and the score over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

CASE = "conformance_case"
DIVERGENCE = "conformance_divergence"


@dataclass(frozen=True, slots=True)
class DivergenceCheck:
    """Decides what a difference from the recording means; `known` are those of this cluster, by case."""

    known: Mapping[str, str]

    def check(self, case: str, differences: Sequence[str], record: Callable[[str, object], None]) -> None:
        """Pass the running test, or end it: as expected to differ, or as failed."""
        divergence = self.known.get(case)
        if differences:
            text = "\n".join(differences)
            if divergence is None:
                pytest.fail(f"not what the recorded cluster answered\n{text}", pytrace=False)
            record(DIVERGENCE, divergence)
            pytest.xfail(f"divergence {divergence}")
        if divergence is not None:
            pytest.fail(
                f"answered as recorded, but listed as divergence {divergence}: remove it from known.py",
                pytrace=False,
            )


@dataclass(slots=True)
class Score:
    """How many cases were answered identically; a case with several tests is identical if all of them are."""

    cases: set[str] = field(default_factory=set)
    different: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, reports: Iterable[pytest.TestReport]) -> Score:
        """Count the reports of the suite's tests; others are left out."""
        score = cls()
        for report in reports:
            properties = dict(report.user_properties)
            if CASE in properties:
                score.add(str(properties[CASE]), report.passed, properties.get(DIVERGENCE))
        return score

    def add(self, case: str, identical: bool, divergence: object) -> None:
        """Count one test; `divergence` is the entry that explains a difference, if one does."""
        self.cases.add(case)
        if not identical and (divergence is None or self.different.get(case, "") is not None):
            self.different[case] = None if divergence is None else str(divergence)

    @property
    def identical(self) -> int:
        """How many cases were answered as recorded."""
        return len(self.cases) - len(self.different)

    def lines(self) -> list[str]:
        """Return the score, and a line for each difference."""
        share = 100 * self.identical / len(self.cases)
        return [
            f"{self.identical} of {len(self.cases)} recorded cases identical ({share:.1f} %)",
            *(
                f"differs: {case} ({f'divergence {known}' if known else 'NOT LISTED'})"
                for case, known in sorted(self.different.items())
            ),
        ]
