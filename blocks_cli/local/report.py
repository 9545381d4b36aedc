"""What a deploy tells while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    def differs(self, path: str, text: str) -> None:
        """Hear how a function runs otherwise than on AWS; said each time that it comes alive."""

    def output(self, function: FunctionConfiguration, line: str) -> None:
        """Hear a line that a function wrote."""
