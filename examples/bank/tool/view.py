"""Output of the stress client: a live view on a terminal, lines elsewhere, and a picture."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.bank.tool.outcomes import Counts, Kind
from examples.bank.tool.tables import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from examples.bank.tool.stress import Stress

LIVE_EVERY, LINE_EVERY = 0.5, 5.0
"""Seconds between two updates of the view, and between two lines."""

LATEST = 5
"""Seconds that the current rates are of."""

_BARS = " ▁▂▃▄▅▆▇█"


def run(stress: Stress, title: str, record: Path | None) -> float:
    """Run a stress client with a view; return the seconds it took."""
    console = Console()
    if console.is_terminal:
        with Live(picture(stress, title, 0.0), console=console, refresh_per_second=4) as live:
            elapsed = stress.run(lambda now: live.update(picture(stress, title, now)), LIVE_EVERY)
            live.update(picture(stress, title, elapsed))
    else:
        print(title, flush=True)
        elapsed = stress.run(lambda now: print(line(stress, now), flush=True), LINE_EVERY)
    if record is not None:
        save(picture(stress, title, elapsed), record, title)
    return elapsed


def line(stress: Stress, now: float) -> str:
    """Return one line on the latest seconds."""
    counts, seconds = _latest(stress, now)
    return (
        f"{now:5.0f} s   {counts.made / seconds:6,.0f} transactions/s   {counts.conflicts / seconds:6,.0f} conflicts/s"
        f"   p50 {counts.percentile(50):,.0f} ms   p99 {counts.percentile(99):,.0f} ms"
    )


def picture(stress: Stress, title: str, now: float) -> RenderableType:
    """Return the view after some seconds."""
    latest, seconds = _latest(stress, now)
    total = stress.statistics.total()
    table = Table(box=None, padding=(0, 2))
    for name in ("", "now, per second", "in all"):
        table.add_column(name, justify="left" if not name else "right")
    for name, current, whole in (
        ("[green]transactions[/]", latest.made / seconds, total.made),
        ("[red]conflicts[/]", latest.conflicts / seconds, total.conflicts),
        ("[yellow]retries[/]", latest.retries / seconds, total.retries),
        ("[red]transfers that failed[/]", failed(latest) / seconds, failed(total)),
    ):
        table.add_row(name, f"{current:,.0f}", f"{whole:,}")
    for percent in (50, 99):
        table.add_row(
            f"p{percent}", f"{latest.percentile(percent):,.0f} ms", f"{total.percentile(percent):,.0f} ms"
        )
    history = stress.statistics.by_second(max(int(now), 1))
    made, conflicts = [each.made for each in history], [each.conflicts for each in history]
    highest = max([1, *made, *conflicts])
    plot = Group(
        Text.assemble("transactions/s  ", (bars(made, highest), "green"), f"  at most {max(made):,}"),
        Text.assemble("conflicts/s     ", (bars(conflicts, highest), "red"), f"  at most {max(conflicts):,}"),
    )
    subtitle = f"{min(now, stress.seconds):.0f} of {stress.seconds:.0f} s"
    return Panel(Group(table, Text(), plot), title=title, subtitle=subtitle, expand=False)


def bars(values: Sequence[int], highest: int) -> str:
    """Return one character for each value, whose height is its share of the highest."""
    return "".join(_BARS[-(-value * (len(_BARS) - 1) // highest)] for value in values)


def failed(counts: Counts) -> int:
    """Return the number of transfers that ended with an error, the bank's refusals aside."""
    return counts.ended[Kind.CONFLICT] + counts.ended[Kind.ERROR]


def summary(stress: Stress, elapsed: float) -> list[str]:
    """Return the lines on the whole run."""
    total = stress.statistics.total()
    begun = sum(total.ended.values())
    rows = [
        ("transfers", f"{begun:,}", ""),
        *((f"  {kind.value}", f"{number:,}", _share(number, begun)) for kind, number in total.ended.items()),
        ("transactions/s", f"{total.made / elapsed:,.0f}", ""),
        ("conflicts", f"{total.conflicts:,}", ""),
        ("retries", f"{total.retries:,}", ""),
        ("p50", f"{total.percentile(50):,.0f} ms", ""),
        ("p99", f"{total.percentile(99):,.0f} ms", ""),
    ]
    return lines_of(rows, right=(1, 2))


def save(view: RenderableType, path: Path, title: str) -> None:
    """Save a view as SVG. The viewer's own monospaced font is used: no font is loaded from another server."""
    console = Console(record=True, width=78, file=io.StringIO(), force_terminal=True)
    console.print(view)
    svg = console.export_svg(title=title)
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), "utf-8")


def _latest(stress: Stress, now: float) -> tuple[Counts, float]:
    """Return the counts of the latest whole seconds, and their number."""
    end = max(int(now), 1)
    first = max(end - LATEST, 0)
    return stress.statistics.total(first, end), float(end - first)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""
