"""Console output of `blocks dev`: the output of all functions in one stream, and a line for each change."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.deploy_report import ConsoleReport

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from blocks_cli.dev.session import Outcome
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.local import Change
    from blocks_cli.local.http_endpoints import Served

_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_blue", "bright_magenta", "bright_cyan")
_MOST_NAMES = 3


class DevReport(ConsoleReport):
    """Prints the steps of the first deploy, then only one line for each change.

    `handlers` are the ARNs of functions whose output is then left out: `blocks logs` prints it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = True
        self.handlers: frozenset[str] = frozenset()
        self._colours: dict[str, str] = {}
        self._next = itertools.cycle(_COLOURS)

    def planned(self, stack: str, changes: Sequence[Change]) -> None:
        """Print the stack, during the first deploy."""
        if self.steps:
            super().planned(stack, changes)

    def started(self, stack: str, change: Change) -> None:
        """Show the current step, during the first deploy."""
        if self.steps:
            super().started(stack, change)

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        """Print the step, during the first deploy."""
        if self.steps:
            super().finished(stack, change, seconds)

    def output(self, function: FunctionConfiguration, line: str) -> None:
        """Print a line of a function's output; each function has a colour."""
        if not self.steps and function.arn in self.handlers:
            return
        with self._lock:
            name = function.short_name
            colour = self._colours.get(name) or self._colours.setdefault(name, next(self._next))
            console.clear()
            console.print_prefixed(name, line, colour)


def print_endpoints(served: Collection[Served]) -> None:
    """Print the URLs of a deployment."""
    width = max((len(each.path) for each in served), default=0)
    for each in sorted(served, key=lambda each: (each.kind, each.path)):
        console.print_message(f"{each.kind:<9}{each.path:<{width}}   {each.url}/   {each.region}")


def print_outcome(outcome: Outcome, files: Collection[str]) -> None:
    """Print a line about the deploy of changed files."""
    changed, seconds = _first(sorted(files)), f"{outcome.seconds:.2f} s"
    if not outcome.changes:
        console.print_message(f"same     {changed}: no resource changes   {seconds}", "bright_black")
        return
    paths = _first([*dict.fromkeys(change.path for change in outcome.changes)])
    applied = f"   applied {', '.join(outcome.migrations)}" if outcome.migrations else ""
    console.print_message(f"deployed {changed}: {paths}{applied}   {seconds}", "green")


def _first(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
