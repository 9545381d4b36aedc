"""The result of each case, and the score of all cases."""

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
    """Decides whether a difference from the recording is known; `known` are divergence ids by case."""

    known: Mapping[str, str]

    def check(self, case: str, differences: Sequence[str], record: Callable[[str, object], None]) -> None:
        """Return if there is no difference; else end the running test as xfailed (known) or failed."""
        divergence = self.known.get(case)
        if differences:
            text = "\n".join(differences)
            if divergence is None:
                pytest.fail(f"the response differs from the recorded one\n{text}", pytrace=False)
            record(DIVERGENCE, divergence)
            pytest.xfail(f"divergence {divergence}")
        if divergence is not None:
            pytest.fail(
                f"the response is as recorded, but listed as divergence {divergence}: remove it from known.py",
                pytrace=False,
            )


@dataclass(slots=True)
class Score:
    """Number of cases with identical responses; a case with several tests is identical if all its tests are."""

    cases: set[str] = field(default_factory=set)
    different: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, reports: Iterable[pytest.TestReport]) -> Score:
        """Count the reports of the suite's tests; ignore others."""
        score = cls()
        for report in reports:
            properties = dict(report.user_properties)
            if CASE in properties:
                score.add(str(properties[CASE]), report.passed, properties.get(DIVERGENCE))
        return score

    def add(self, case: str, identical: bool, divergence: object) -> None:
        """Count one test; `divergence` is the id of a known difference, or None."""
        self.cases.add(case)
        if not identical and (divergence is None or self.different.get(case, "") is not None):
            self.different[case] = None if divergence is None else str(divergence)

    @property
    def identical(self) -> int:
        """Number of cases with responses as recorded."""
        return len(self.cases) - len(self.different)

    def lines(self) -> list[str]:
        """Return the score and one line per difference."""
        share = 100 * self.identical / len(self.cases)
        return [
            f"{self.identical} of {len(self.cases)} recorded cases identical ({share:.1f} %)",
            *(
                f"differs: {case} ({f'divergence {known}' if known else 'NOT LISTED'})"
                for case, known in sorted(self.different.items())
            ),
        ]
