"""Errors a person can act on: what failed, why, and what to do."""

from __future__ import annotations

from blocks_cli.exit_codes import ExitCode
from blocks_runtime.shared.explained_error import ExplainedError


class CommandError(ExplainedError):
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
        self.code = code


class NothingDeployed(CommandError):
    """There is no record of a local deploy."""
