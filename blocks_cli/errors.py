"""Errors a person can act on: what failed, why, and what to do."""

from __future__ import annotations

from blocks_cli.exit_codes import ExitCode


class CommandError(Exception):
    """A failure with its way out; printed as three lines, never as a traceback.

    `what` names the place, `why` carries the reason in the words of whoever refused (with SQLSTATE where
    there is one), `remedy` says what to do next. `before` are other errors that were found with it, and are told
    before it.
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
    """There is no record of a local deploy."""
