"""Progress reports of a deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.local.plan import Change


class Report:
    """Receives the events of a deploy and ignores them; subclasses override methods."""

    def planned(self, stack: str, changes: Sequence[Change]) -> None:
        """Receive the planned changes of a stack."""

    def started(self, stack: str, change: Change) -> None:
        """Receive the start of a step."""

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        """Receive the end of a step that is completed and recorded."""

    def note(self, text: str) -> None:
        """Receive a note about a difference from AWS."""

    def differs(self, path: str, text: str) -> None:
        """Receive a difference of a function from AWS; sent each time the function is started."""

    def output(self, function: FunctionConfiguration, line: str) -> None:
        """Receive a line of a function's output."""
