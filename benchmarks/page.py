"""The table and the plot of docs/benchmarks.md, from the figures of one run."""

from __future__ import annotations

import datetime
import platform
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.harness import Measured

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PLOT = PAGE.with_name("benchmarks.svg")
BEGIN, END = "<!-- begin: make bench -->\n", "<!-- end: make bench -->\n"

WIDTH, LEFT, RIGHT, ROW, TOP = 1060, 580, 110, 22, 54
LONGEST = 98
"""Characters of a name that fit to the left of the axis."""

MOST = 2.0
"""Right end of the axis; a larger ratio is drawn there, with its number."""

MET, MISSED, INK, FAINT = "#1a7f5a", "#c0392b", "#222222", "#cccccc"


def table(found: Mapping[str, Sequence[Measured]]) -> str:
    """Return the Markdown table: ratios, and those durations that have a bar of their own."""
    lines = [
        "| comparison | measured | quartiles | bar | met |",
        "|---|---:|---:|---:|---|",
    ]
    for module, figures in found.items():
        lines.append(f"| **`{module}`** | | | | |")
        for each in figures:
            if each.unit != "x" and each.bar is None:
                continue
            unit = "" if each.unit == "x" else f" {each.unit}"
            name = f"{each.title}: {each.contender}{f' / {each.peer}' if each.peer else ''}"
            answer = "" if each.bar is None else "yes" if each.met else "**no**"
            lines.append(
                f"| {name} | {each.value:.2f}{unit} | {each.low:.2f} to {each.high:.2f} | {each.wanted} | {answer} |"
            )
    return "\n".join(lines)


def plot(found: Mapping[str, Sequence[Measured]]) -> str:
    """Return an SVG with a line for each ratio that has a bar: median, quartiles, and the bar as a tick."""
    rows = [
        each for figures in found.values() for each in figures if each.unit == "x" and each.bar is not None
    ]
    height = TOP + ROW * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="Ratios of make bench, with their bars">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="22" font-size="14" font-weight="bold" fill="{INK}">Ratios with a bar</text>',
        f'<text x="16" y="40" fill="{INK}">dot: median, line: quartiles, tick: bar; '
        f"green: met, red: not met; ≥ more is better, ≤ less is better</text>",
    ]
    for value in (0.0, 0.5, 1.0, 1.5, MOST):
        at = _x(value)
        parts.append(f'<line x1="{at}" y1="{TOP}" x2="{at}" y2="{height - 30}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{at}" y="{height - 14}" text-anchor="middle" fill="{INK}">{value:g}</text>')
    for number, each in enumerate(rows):
        parts += _row(each, TOP + ROW * number + ROW // 2)
    return "\n".join([*parts, "</svg>", ""])


def _x(value: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(value, 0.0), MOST) / MOST, 1)


def _row(each: Measured, y: int) -> list[str]:
    colour = MET if each.met else MISSED
    assert each.bar is not None
    bar, name = _x(each.bar), f"{each.title}: {each.contender} / {each.peer}"
    shown = escape(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")
    return [
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" font-size="11" fill="{INK}">{shown}</text>',
        f'<line x1="{bar}" y1="{y - 8}" x2="{bar}" y2="{y + 8}" stroke="{INK}" stroke-width="2"/>',
        f'<line x1="{_x(each.low)}" y1="{y}" x2="{_x(each.high)}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        f'<circle cx="{_x(each.value)}" cy="{y}" r="4.5" fill="{colour}"/>',
        f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4}" fill="{colour}">{each.value:.2f} ({escape(each.wanted)})</text>',
    ]


def write(found: Mapping[str, Sequence[Measured]]) -> None:
    """Write the plot, and the table with today's date between its marks."""
    PLOT.write_text(plot(found), encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text("utf-8"), table(found)), encoding="utf-8")


def with_table(text: str, rows: str) -> str:
    """Return a page with the rows, today's date and the interpreter between its marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError("docs/benchmarks.md has no marks for the table")
    today = datetime.datetime.now(datetime.UTC).date()
    picture = f"![Every ratio that has a bar, with its quartiles]({PLOT.name})"
    return f"{before}{BEGIN}\nRun of {today} with {_interpreter()}.\n\n{picture}\n\n{rows}\n\n{END}{after}"


def _interpreter() -> str:
    """Return the version of Python, and the distribution that has built it, if one has."""
    version = f"Python {platform.python_version()}"
    if sys.base_prefix != "/usr":
        return version
    return f"{version} of {platform.freedesktop_os_release()['PRETTY_NAME']}"
