"""Exit codes of every command, in one table."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a command tells the shell; `meaning` is what the help says of it."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Make a code that is its number."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    OK = 0, "done"
    PENDING = 1, "something is pending or has drifted; only with --exit-code"
    USAGE = 2, "the command, the app or a file it names is wrong; nothing was changed"
    MIGRATION_FAILED = 3, "a deploy or a migration failed half way; what was done before it stays"
    CANNOT_CONNECT = 4, "the database could not be started or reached"
    INVOCATION_FAILED = 5, "the invoked function failed; its error is the output"
    INTERNAL_ERROR = 70, "a fault of this program; --debug shows where"
