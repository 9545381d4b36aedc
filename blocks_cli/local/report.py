"""What a deploy tells while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.local.plan import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.local.plan import Change


class Report:
    """Listens and says nothing; the command line overrides what it wants to print."""

    def planned(self, stack: str, changes: Sequence[Change]) -> None:
        """Hear of what a deploy will do to a stack."""

    def started(self, stack: str, change: Change) -> None:
        """Hear that a step begins."""

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        """Hear that a step is done and recorded."""

    def note(self, text: str) -> None:
        """Hear of something that differs from AWS."""

    def output(self, function: FunctionConfiguration, line: str) -> None:
        """Hear a line that a function wrote."""


class ProgressReport(Report):
    """Passes on what was changed, and how it differs from AWS, as lines of text."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        """Tell of a step, unless it changed nothing."""
        if change.action is not Action.KEEP:
            self._tell(f"{change.action.value} {change.path} ({change.type}), {seconds * 1000:.0f} ms")

    def note(self, text: str) -> None:
        """Tell of a difference."""
        self._tell(text)
