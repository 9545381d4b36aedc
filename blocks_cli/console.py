"""What the command line prints: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli.local.plan import Action
from blocks_cli.local.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.local.plan import Change
    from blocks_cli.problem import CommandError

_COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.DELETE: "red",
    Action.RETAIN: "cyan",
    Action.KEEP: "bright_black",
}


def is_terminal() -> bool:
    """Return whether a person watches stderr."""
    return sys.stderr.isatty()


def say(text: str, colour: str | None = None) -> None:
    """Write a line for people; coloured on a terminal, unless `NO_COLOR` is set."""
    plain = colour is None or "NO_COLOR" in os.environ or not is_terminal()
    click.echo(text if plain else click.style(text, fg=colour), err=True)


def give(value: Json) -> None:
    """Write data."""
    click.echo(json.dumps(value, indent=2))


def target(place: Path) -> None:
    """Say first of all what the command works on."""
    shown = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    say(f"target   local   {shown}")


def fail(error: CommandError) -> None:
    """Write an error: what, why, what to do."""
    say(f"error: {error.what}", "red")
    say(f"  why: {error.why}")
    say(f"  do:  {error.remedy}")


class ConsoleReport(Report):
    """Prints one line per step once it is done; what is under way is shown on a terminal only."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._lock = threading.Lock()

    def planned(self, stack: str, changes: Sequence[Change]) -> None:
        """Name the stack and how much there is to do."""
        kept = sum(change.action is Action.KEEP for change in changes)
        say(f"stack    {stack}   {len(changes) - kept} of {len(changes)} resources to change")

    def started(self, stack: str, change: Change) -> None:
        """Show what is under way, to be overwritten."""
        del stack
        if is_terminal() and change.action is not Action.KEEP:
            click.echo(f"{change.action.value:<9}{change.path} …", err=True, nl=False)

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        """Print the step; what did not change is not worth a line."""
        del stack
        if change.action is Action.KEEP:
            return
        self._clear()
        details = f"   {', '.join(change.properties)}" if change.properties else ""
        line = f"{change.action.value:<9}{change.path}   {change.type}   {seconds * 1000:.0f} ms{details}"
        say(line, _COLOURS[change.action])

    def note(self, text: str) -> None:
        """Keep the note and print it."""
        self.notes.append(text)
        self._clear()
        say(f"note     {text}", "cyan")

    def output(self, function: FunctionConfiguration, line: str) -> None:
        """Print what a function writes, with its name before it."""
        with self._lock:
            self._clear()
            say(f"[{function.short_name}] {line}", "bright_black")

    def _clear(self) -> None:
        if is_terminal():
            click.echo("\r\x1b[2K", err=True, nl=False)
