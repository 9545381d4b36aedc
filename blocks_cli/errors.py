"""Errors of the command line: what failed, why, and what to do."""

from __future__ import annotations

import errno

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


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EROFS, errno.EACCES, errno.EPERM}


def as_command_error(error: Exception) -> CommandError:
    """Convert an exception: of the local database, of a file, or of this program."""
    from local_dsql.errors import LocalDatabaseError

    match error:
        case CommandError():
            return error
        case LocalDatabaseError():
            return CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT)
        case OSError(errno=number, filename=str(name)) if number in _NO_ROOM | _NOT_ALLOWED:
            return CommandError(
                f"{name}: cannot be written or read",
                error.strerror or "permission denied",
                "grant this user access to the folder and free space on its disk, then run the command again",
                ExitCode.MIGRATION_FAILED if number in _NO_ROOM else ExitCode.USAGE,
            )
    return CommandError(
        f"{type(error).__name__}: {error}",
        "internal error",
        "run the command with --debug and report the traceback",
        ExitCode.INTERNAL_ERROR,
    )
