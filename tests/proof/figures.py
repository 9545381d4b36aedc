"""Figures of the proofs: one row for each case and target, one table, and its place in docs/proof.md."""

from __future__ import annotations

import datetime
import os
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parents[2] / "docs" / "proof.md"


@dataclass
class Figure:
    """The result of one case on one target.

    `lost` counts committed changes that are missing afterwards, `wrong` results that must not happen; both must be 0.
    """

    case: str
    target: str
    transactions: int = 0
    conflicts: int = 0
    seconds: float = 0.0
    lost: int = 0
    wrong: int = 0
    note: str = ""
    started: float = field(default_factory=time.monotonic, repr=False)

    def finish(self) -> Figure:
        """Set the seconds since the figure was made."""
        self.seconds = time.monotonic() - self.started
        return self

    @property
    def holds(self) -> bool:
        """Return whether nothing was lost and nothing was wrong."""
        return not self.lost and not self.wrong

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [
            self.case,
            self.target,
            f"{self.transactions:,}",
            f"{self.conflicts:,}",
            f"{self.seconds:.1f}",
            f"{self.lost}",
            f"{self.wrong}",
            self.note,
        ]


HEAD = [each.name for each in fields(Figure)][:8]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table with columns of one width."""
    rows = [HEAD, *(each.cells() for each in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    numbers = range(2, 7)

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join(cells) + " |"

    ends = [":" if column in numbers else "-" for column in range(len(HEAD))]
    rule = "|" + "|".join("-" * (width + 1) + end for width, end in zip(widths, ends, strict=True)) + "|"
    return "\n".join([line(HEAD), rule, *map(line, rows[1:])])


def publish(section: str, figures: Sequence[Figure], remarks: Sequence[str] = ()) -> int:
    """Print the table, write it into the page if BLOCKS_WRITE_DOCS is 1, and return the exit code."""
    text = "\n\n".join([table(figures), *remarks])
    print(text, flush=True)
    if os.environ.get("BLOCKS_WRITE_DOCS") == "1":
        PAGE.write_text(with_section(PAGE.read_text("utf-8"), section, text), encoding="utf-8")
    failed = [f"{each.case}, {each.target}" for each in figures if not each.holds]
    if failed:
        print(f"\n{section}: {len(failed)} do not hold: {'; '.join(failed)}")
    return int(bool(failed))


def with_section(page: str, section: str, text: str) -> str:
    """Return a page with the text, and today's date, between the marks of a section."""
    begin, end = f"<!-- begin: make {section} -->\n", f"<!-- end: make {section} -->\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"docs/proof.md has no marks of the section {section}")
    today = datetime.datetime.now(datetime.UTC).date()
    return f"{before}{begin}\nRun of {today}.\n\n{text}\n\n{end}{after}"
