"""Turning what PostgreSQL printed before it gave up into an error that says what to do."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from local_dsql.errors import PostgresError

_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class _Cause:
    """A text that PostgreSQL prints, and the way out when it does."""

    text: str
    remedy: str


_CAUSES = (
    _Cause("No space left on device", "free some space on the disk of that folder, then start again"),
    _Cause("could not write init file", "free some space on the disk of that folder, then start again"),
    _Cause("Disk quota exceeded", "free some space in the quota of that folder, then start again"),
    _Cause(
        "could not create shared memory segment",
        "raise the system's limit on shared memory, then start again",
    ),
    _Cause("could not resize shared memory segment", "give /dev/shm more room (docker run --shm-size=256m)"),
    _Cause("Cannot allocate memory", "free some memory, then start again"),
    _Cause(
        "cannot become an unprivileged user",
        "start again; where it always fails, do not start it as root, or where user namespaces are allowed",
    ),
    _Cause("Read-only file system", "choose a folder on a file system that can be written"),
    _Cause(
        "Permission denied", "give this user the folder and all that is in it, or choose another (--path)"
    ),
    _Cause(
        "database files are incompatible with server",
        "use the PostgreSQL that made the folder, or remove the folder and start with an empty database",
    ),
    _Cause(
        "could not locate a valid checkpoint record",
        "the data did not survive a crash of the machine: remove the folder and start with an empty database",
    ),
)


def exit_error(what: str, output: str, exit_code: int | None) -> PostgresError:
    """Return the error for PostgreSQL's last words.

    Args:
        what: what failed, with the folder.
        output: what it printed, as much as there is; the last lines count.
        exit_code: exit code as `subprocess` gives it, None where the process still runs.
    """
    lines = [line for line in output.splitlines() if line.strip()][-_TAIL_LINES:]
    why = "\n       ".join([describe_exit(exit_code), *lines])
    return refusal_error(what, why, "read the lines above; then start again, which repairs what a crash left")


def refusal_error(what: str, words: str, remedy: str) -> PostgresError:
    """Return the error for something that PostgreSQL refused; `remedy` is for where its words tell no known cause."""
    known = next((cause.remedy for cause in _CAUSES if cause.text in words), None)
    return PostgresError(what, words, known or remedy)


def describe_exit(code: int | None) -> str:
    """Return in words how a process ended."""
    if code is None:
        return "PostgreSQL does not answer"
    if code >= 0:
        return f"PostgreSQL ended with exit code {code}"
    cause = " (by hand, or because the machine ran out of memory)" if code == -signal.SIGKILL else ""
    return f"PostgreSQL was ended by {signal.Signals(-code).name}{cause}"
