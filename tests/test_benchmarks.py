"""Figures of the benchmarks: bars, the hand-over between processes, the table and the plot of docs/benchmarks.md."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from benchmarks import page
from benchmarks.__main__ import MODULES
from benchmarks.harness import Measured, Result, costs, measured, present, read, speeds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAST = Measured("look-up", "ours", "psycopg", 0.44, 0.40, 0.47, bar=0.55)
SMALL = Measured("a < b & c", "ours", "psycopg", 1.04, 1.0, 1.1, bar=1.05, more_is_better=False)
MILLISECONDS = Measured("status", "the command", "", 151, 149, 153, "ms", 150, more_is_better=False)
WITHOUT = Measured("status", "the command", "python", 1.4, 1.3, 1.5)


@pytest.mark.parametrize(
    ("value", "bar", "more", "met"),
    [
        (0.55, 0.55, True, True),
        (0.546, 0.55, True, True),  # it is printed as 0.55
        (0.54, 0.55, True, False),
        (1.05, 1.05, False, True),
        (1.06, 1.05, False, False),
        (9.0, None, True, True),
    ],
)
def test_bars(value: float, bar: float | None, *, more: bool, met: bool) -> None:
    assert Measured("", "", "", value, value, value, bar=bar, more_is_better=more).met is met


def test_ratios_are_computed_per_turn() -> None:
    """The machine is ten times slower in the second turn."""
    results = {"peer": Result((1.0, 10.0, 1.0)), "ours": Result((2.0, 20.0, 2.0))}
    (speed,) = speeds("t", results, baseline="peer", bars={"ours": 0.6})
    (cost,) = costs("t", results, ours="ours", bars={"peer": 1.9})
    assert (speed.value, speed.low, speed.high, speed.met) == (0.5, 0.5, 0.5, False)
    assert (cost.value, cost.low, cost.high, cost.met) == (2.0, 2.0, 2.0, False)


def test_quartiles() -> None:
    figure = measured("t", "c", "p", [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (figure.low, figure.value, figure.high) == (1.5, 3.0, 4.5)


def test_figures_are_handed_over_as_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> Iterator[list[Measured]]:
        yield [FAST, SMALL]
        yield [MILLISECONDS]

    present(measure, ["--json", str(tmp_path / "figures")])
    assert read(tmp_path / "figures") == [FAST, SMALL, MILLISECONDS]
    printed = capsys.readouterr().out
    assert re.search(r"ours / psycopg +0\.44 x .*bar: ≥ 0\.55  NOT MET", printed)
    assert "NOT MET" not in next(line for line in printed.splitlines() if "1.04" in line)


def test_the_table_says_which_bars_are_not_met() -> None:
    rows = page.table({"one": [FAST, SMALL], "two": [MILLISECONDS, WITHOUT]})
    assert "| look-up: ours / psycopg | 0.44 | 0.40 to 0.47 | ≥ 0.55 | **no** |" in rows
    assert "| a < b & c: ours / psycopg | 1.04 | 1.00 to 1.10 | ≤ 1.05 | yes |" in rows
    assert "| status: the command | 151.00 ms | 149.00 to 153.00 | ≤ 150 | **no** |" in rows
    assert "| status: the command / python | 1.40 | 1.30 to 1.50 |  |  |" in rows


def test_durations_without_a_bar_are_left_out() -> None:
    assert "slow" not in page.table({"one": [Measured("slow", "c", "", 3, 3, 3, "s")]})


def test_the_plot_has_a_dot_for_each_ratio_with_a_bar() -> None:
    drawn = ElementTree.fromstring(page.plot({"one": [FAST, SMALL, MILLISECONDS, WITHOUT]}))
    dots = drawn.findall("{*}circle")
    assert [dot.get("fill") for dot in dots] == [page.MISSED, page.MET]
    assert float(dots[0].get("cx") or 0) < float(dots[1].get("cx") or 0)


def test_the_page_has_marks_for_the_table() -> None:
    text = page.PAGE.read_text("utf-8")
    assert "Run of 2" in page.with_table(text, "rows")
    assert page.with_table(page.with_table(text, "old"), "new").count("Run of") == 1


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_there_and_on_the_page(module: str) -> None:
    assert find_spec(f"benchmarks.{module}") is not None
    assert f"| `{module}` |" in page.PAGE.read_text("utf-8")
