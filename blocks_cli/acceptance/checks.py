"""All checks in the order in which they run, and what they settle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.acceptance import database, service
from blocks_cli.acceptance.check import Finding, Unavailable, Verdict
from blocks_cli.acceptance.questions import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from blocks_cli.acceptance.check import Check, Subject

CHECKS: tuple[Check, ...] = (
    *(each for each in service.CHECKS if each.id != "metric-dimension"),
    *(each.check() for each in QUESTIONS),
    *database.CHECKS,
    # Metrics appear minutes after the traffic, so this is the last one.
    *(each for each in service.CHECKS if each.id == "metric-dimension"),
)

ESTIMATED_DPU = 50.0
"""Bound of WriteDPU and ReadDPU of all checks, by AWS's formulas; a test measures it with the local database."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check with its finding and its seconds."""

    check: Check
    finding: Finding
    seconds: float


def run(
    subject: Subject, only: Collection[str] = (), started: Callable[[Check], None] = lambda _: None
) -> Iterator[Outcome]:
    """Run the checks, by default all. A check that fails does not end the run."""
    for check in CHECKS:
        if only and check.id not in only:
            continue
        started(check)
        begin = time.monotonic()
        yield Outcome(check, _finding(check, subject), time.monotonic() - begin)


def _finding(check: Check, subject: Subject) -> Finding:
    try:
        return check.run(subject)
    except Unavailable as missing:
        return Finding(Verdict.UNSETTLED, str(missing))
    except Exception as error:  # of boto3, psycopg or the suite: the report has it, and the other checks run
        return Finding(Verdict.FAILED, f"{type(error).__name__}: {error}")
