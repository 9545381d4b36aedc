"""Compare ways of doing the same thing, in one run and in turns, so that a noisy machine is noisy for all.

Absolute times of one machine say little about another, so what is printed is the ratio to a named baseline.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WINDOW = 0.25
"""Seconds for which one contender runs before the next one has its turn."""


@dataclass(frozen=True)
class Result:
    """Seconds for one call of a contender, one figure a turn."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """Return the quartiles, as deviations from the median in percent."""
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return f"{(low / self.median - 1) * 100:+.0f} % {(high / self.median - 1) * 100:+.0f} %"


def pin() -> None:
    """Keep this process, and what it starts, on one core: waking another core costs more than a query."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def compare(contenders: Mapping[str, Callable[[], object]], *, turns: int = 21) -> dict[str, Result]:
    """Call every contender over and over for `WINDOW` seconds, one after the other, `turns` times around."""
    seen: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(turns):
        for name, call in contenders.items():
            seen[name].append(_window(call))
    return {name: Result(tuple(figures)) for name, figures in seen.items()}


def _window(call: Callable[[], object]) -> float:
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < WINDOW:
        call()
        calls += 1
    return elapsed / calls


def report(title: str, results: Mapping[str, Result], *, baseline: str, bar: Mapping[str, str]) -> str:
    """Lay out the ratios to `baseline`; above 1 is faster. `bar` says what a contender is to reach."""
    base = results[baseline].median
    lines = [title]
    for name, result in results.items():
        wanted = f"   bar: {bar[name]}" if name in bar else ""
        lines.append(f"  {name:<34} {base / result.median:6.2f} x   spread {result.spread}{wanted}")
    return "\n".join(lines)
