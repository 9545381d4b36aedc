"""Exit codes of `blocks` and `local-dsql`."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit code of a command; `meaning` is its text in the help.

    Those of signals are by convention of shells: 128 + the number of the signal.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Create a member whose value is the number."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    OK = 0, "done"
    PENDING = (
        1,
        "migrations are pending or have drifted, or a comparison found differences; only with --exit-code",
    )
    USAGE = 2, "wrong usage, or an error in the app or a file; nothing was changed"
    MIGRATION_FAILED = 3, "a deploy, a migration or a load failed; completed steps are kept"
    CANNOT_CONNECT = 4, "the database could not be started or reached"
    INVOCATION_FAILED = 5, "the invoked function failed; its error is the output"
    INTERNAL_ERROR = 70, "internal error; --debug shows the traceback"
    INTERRUPTED = 130, "interrupted with Ctrl-C; what was printed as done is done"
    OUTPUT_CLOSED = 141, "the program that reads the output has ended, such as `head`"
