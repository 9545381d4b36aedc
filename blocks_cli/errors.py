"""Errors of the command line: what failed, why, and what to do."""

from __future__ import annotations

from blocks_cli.exit_codes import ExitCode


class CommandError(Exception):
    """A failed command; printed as three lines without a traceback.

    `what` names the fault with its place, `why` the reason (with SQLSTATE and the server's message if there are any),
    `remedy` what to do next. `before` are errors found with it, printed before it.
    """

    def __init__(
        self,
        what: str,
        why: str,
        remedy: str,
        code: ExitCode = ExitCode.USAGE,
        before: tuple[CommandError, ...] = (),
    ) -> None:
        super().__init__(what, why, remedy)
        self.before = before
        self.what = what
        self.why = why
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  do:  {self.remedy}"


class NothingDeployed(CommandError):
    """There is no local deployment."""
