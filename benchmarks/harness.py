"""Compare alternatives in one run and in turns, so that noise of the machine affects all of them.

Absolute times depend on the machine, so the output is the ratio to a named baseline.
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
    """Seconds per call of a contender, one figure per turn."""

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


def report(title: str, results: Mapping[str, Result], *, baseline: str, bar: Mapping[str, str]) -> str:
    """Return a table of ratios to `baseline`; above 1 is faster. `bar` is the required ratio."""
    base = results[baseline].median
    lines = [title]
    for name, result in results.items():
        wanted = f"   bar: {bar[name]}" if name in bar else ""
        lines.append(f"  {name:<34} {base / result.median:6.2f} x   spread {result.spread}{wanted}")
    return "\n".join(lines)


def costs(title: str, results: Mapping[str, Result], *, ours: str, bars: Mapping[str, float | None]) -> str:
    """Return a table of `ours` as a multiple of each peer's time; below 1 is faster. `bars` has the peers.

    The ratio is computed per turn, so that noise affects both sides; the median is shown.
    """
    lines = [title]
    for peer, bar in bars.items():
        pairs = zip(results[ours].seconds, results[peer].seconds, strict=True)
        ratio = Result(tuple(one / other for one, other in pairs))
        wanted = "" if bar is None else f"   bar: {bar:.2f}{'' if ratio.median <= bar else '  OVER'}"
        lines.append(f"  {ours} / {peer:<36} {ratio.median:6.2f} x   spread {ratio.spread}{wanted}")
    return "\n".join(lines)
