"""Console output of a deploy: one line per resource, and the output of functions."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.local.plan import Action
from blocks_cli.local.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.local.plan import Change

_COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.DELETE: "red",
    Action.RETAIN: "cyan",
    Action.KEEP: "bright_black",
}


_LOG_PREFIX = re.compile(r"\[(?P<level>[A-Z]+)\]\t\S+Z\t\S*\t")
"""Level, time and request id, which Lambda's runtime puts before each log line."""
_REQUEST = re.compile(r"(Create|Update|Delete) of \S+ in arn:\S+")
_PLAN = re.compile(r"\S+\.sql:\d+:\d+ {2,}\w+ {2,}")
"""Lines of the plan: each step is printed once it is done, too."""


class ConsoleReport(Report):
    """Prints one line per completed step; the current step is shown on a terminal only."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._differences: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def planned(self, stack: str, changes: Sequence[Change]) -> None:
        """Print the stack and the number of changes."""
        kept = sum(change.action is Action.KEEP for change in changes)
        console.print_message(
            f"stack    {stack}   {len(changes) - kept} of {len(changes)} resources to change"
        )

    def started(self, stack: str, change: Change) -> None:
        """Show the current step as progress."""
        del stack
        if change.action is not Action.KEEP:
            console.progress(f"{change.action.value:<9}{change.path} …")

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        """Print the step, unless nothing changed."""
        del stack
        if change.action is Action.KEEP:
            return
        console.clear()
        details = f"   {', '.join(change.properties)}" if change.properties else ""
        line = f"{change.action.value:<9}{change.path}   {change.type}   {seconds * 1000:.0f} ms{details}"
        console.print_message(line, _COLOURS[change.action])

    def note(self, text: str) -> None:
        """Keep the note and print it."""
        self.notes.append(text)
        console.clear()
        console.print_message(f"note     {text}", "cyan")

    def differs(self, path: str, text: str) -> None:
        """Store it for `conclude`: most functions of an app have the same differences."""
        paths = self._differences.setdefault(text, [])
        if path not in paths:
            paths.append(path)
            self.notes.append(f"{path}: {text}")

    def conclude(self, function: str | None = None) -> None:
        """Print the differences from AWS, each once with all its functions; or only those of one function, by path."""
        for text, paths in self._differences.items():
            if function is None or function in paths:
                console.print_message(f"note     {function or ', '.join(paths)}: {text}", "cyan")

    def output(self, function: FunctionConfiguration, line: str) -> None:
        """Print a line of a function's output after its name, without what other lines of a deploy show."""
        text = _LOG_PREFIX.sub(
            lambda prefix: "" if prefix["level"] == "INFO" else f"{prefix['level']} ", line
        )
        if _REQUEST.fullmatch(text) or _PLAN.match(text):
            return
        with self._lock:
            console.clear()
            console.print_message(f"[{function.short_name}] {text}", "bright_black")
