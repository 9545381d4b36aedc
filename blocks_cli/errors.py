"""Errors of the command line: what failed, why, and what to do."""

from __future__ import annotations

from blocks_cli.exit_codes import ExitCode
from blocks_runtime.shared.explained_error import ExplainedError


class CommandError(ExplainedError):
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
        self.code = code


class NothingDeployed(CommandError):
    """There is no local deployment."""
