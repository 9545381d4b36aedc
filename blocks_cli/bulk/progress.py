"""Progress of a load or dump on a terminal: rows, share, rate and time left."""

from __future__ import annotations

import time

from blocks_cli import console

INTERVAL = 0.2
"""Seconds between two updates."""


class Progress:
    """Prints one line that it overwrites; nothing if stderr is no terminal.

    Args:
        verb: first word of the line, such as `load`.
        total: size of the whole, in the unit of `show`; None if it is unknown.
        done: part of it that earlier runs have done.
    """

    def __init__(self, verb: str, total: int | None, done: int = 0) -> None:
        self._verb = verb
        self._total = total
        self._before = done
        self._started = time.monotonic()
        self._next = self._started

    def show(self, rows: int, done: int) -> None:
        """Show the rows of this run, and the part that is done."""
        now = time.monotonic()
        if now < self._next or not console.is_terminal():
            return
        self._next = now + INTERVAL
        console.clear()
        console.progress(self.text(rows, done, now - self._started))

    def text(self, rows: int, done: int, seconds: float) -> str:
        """Return the line after `seconds` of this run."""
        line = f"{self._verb:<8} {rows:,} rows   {rate(rows, seconds)}"
        if not self._total:
            return line
        share = min(1.0, done / self._total)
        speed = (done - self._before) / seconds if seconds else 0.0
        left = f"   {duration((self._total - done) / speed)} left" if speed > 0 else ""
        return f"{line}   {share:.0%}{left}"


def rate(rows: int, seconds: float) -> str:
    """Return rows per second as text."""
    return f"{rows / seconds:,.0f} rows/s" if seconds else "0 rows/s"


def duration(seconds: float) -> str:
    """Return a duration as text, in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
