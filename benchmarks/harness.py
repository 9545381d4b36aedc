"""Compare alternatives in one run and in turns, so that noise of the machine affects all of them.

Absolute times depend on the machine, so the output is the ratio to a named baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

WINDOW = 0.25
"""Seconds for which one contender runs before the next one has its turn."""


@dataclass(frozen=True)
class Result:
    """Seconds per call of a contender, one figure per turn."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def pin() -> None:
    """Pin this process and its children to one core: waking another core costs more than a query."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def compare(
    contenders: Mapping[str, Callable[[], object]], *, turns: int = 21, window: float = WINDOW
) -> dict[str, Result]:
    """Call each contender repeatedly for `window` seconds, in turn, for `turns` rounds.

    With a window of 0 each is called once per turn.
    """
    seen: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for turn in range(turns):
        # Alternate the direction, so that no contender always follows the same one.
        for name, call in list(contenders.items())[:: 1 if turn % 2 else -1]:
            seen[name].append(_window(call, window))
    return {name: Result(tuple(figures)) for name, figures in seen.items()}


def _window(call: Callable[[], object], window: float) -> float:
    calls, started, elapsed = 0, time.perf_counter(), 0.0
    while not calls or elapsed < window:
        call()
        calls += 1
        elapsed = time.perf_counter() - started
    return elapsed / calls


@dataclass(frozen=True)
class Measured:
    """One figure: a ratio to a peer, or a duration with a bar of its own.

    `low` and `high` are the quartiles. `peer` is empty for a duration. A figure of which more is better is met at
    `bar` or above, another at `bar` or below.
    """

    title: str
    contender: str
    peer: str
    value: float
    low: float
    high: float
    unit: str = "x"
    bar: float | None = None
    more_is_better: bool = True

    @property
    def met(self) -> bool:
        """Return whether the figure, as it is printed, reaches its bar; one without a bar does."""
        if self.bar is None:
            return True
        shown = float(f"{self.value:.2f}")
        return shown >= self.bar if self.more_is_better else shown <= self.bar

    @property
    def wanted(self) -> str:
        """Return the bar with its direction, or nothing."""
        return "" if self.bar is None else f"{'≥' if self.more_is_better else '≤'} {self.bar:.3g}"

    def line(self) -> str:
        """Return the line of a printed report."""
        name = f"{self.contender} / {self.peer}" if self.peer else self.contender
        bar = f"   bar: {self.wanted}{'' if self.met else '  NOT MET'}" if self.bar is not None else ""
        return f"  {name:<52} {self.value:8.2f} {self.unit:<6} {self.low:.2f} to {self.high:.2f}{bar}"


def measured(
    title: str,
    contender: str,
    peer: str,
    figures: Sequence[float],
    *,
    unit: str = "x",
    bar: float | None = None,
    more_is_better: bool = True,
) -> Measured:
    """Return the median of some figures with their quartiles; of two or three figures, the extremes."""
    if len(figures) > 3:
        low, _, high = statistics.quantiles(figures, n=4)
    else:
        low, high = min(figures), max(figures)
    return Measured(title, contender, peer, statistics.median(figures), low, high, unit, bar, more_is_better)


def speeds(
    title: str, results: Mapping[str, Result], *, baseline: str, bars: Mapping[str, float]
) -> list[Measured]:
    """Return the speed of every contender as a multiple of the baseline's; the ratio is computed per turn."""
    return [
        measured(title, name, baseline, _ratios(results[baseline], result), bar=bars.get(name))
        for name, result in results.items()
        if name != baseline
    ]


def costs(
    title: str, results: Mapping[str, Result], *, ours: str, bars: Mapping[str, float | None]
) -> list[Measured]:
    """Return the time of `ours` as a multiple of each peer's; below 1 is faster. `bars` has the peers.

    The ratio is computed per turn, so that noise affects both sides.
    """
    return [
        measured(title, ours, peer, _ratios(results[ours], results[peer]), bar=bar, more_is_better=False)
        for peer, bar in bars.items()
    ]


def _ratios(one: Result, other: Result) -> list[float]:
    return [left / right for left, right in zip(one.seconds, other.seconds, strict=True)]


def present(measure: Callable[[], Iterable[list[Measured]]], arguments: Sequence[str] | None = None) -> None:
    """Print the groups of figures as they are measured; `--json FILE` also writes all of them as values."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path, help="file for the figures")
    file: Path | None = parser.parse_args(arguments).json
    found: list[Measured] = []
    for group in measure():
        title = ""
        for each in group:
            if each.title != title:
                title = each.title
                print(title)
            print(each.line(), flush=True)
        found += group
    if file is not None:
        file.write_text(json.dumps([asdict(each) for each in found]), encoding="utf-8")


def read(file: Path) -> list[Measured]:
    """Return the figures that `present` has written."""
    return [Measured(**each) for each in json.loads(file.read_text("utf-8"))]
