"""Exit codes of every command, in one table."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a command tells the shell."""

    OK = 0
    PENDING = 1
    """Something is pending or has drifted; only with `--exit-code`."""
    USAGE = 2
    """The command, the app or a file it names is wrong; nothing was changed."""
    MIGRATION_FAILED = 3
    """A deploy or a migration failed half way; what was done before it stays."""
    CANNOT_CONNECT = 4
    """The database could not be started or reached."""
    INVOCATION_FAILED = 5
    """The function ran and failed; its error is the output."""
