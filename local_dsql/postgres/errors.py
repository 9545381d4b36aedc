"""Errors from PostgreSQL's output: known causes with what to do about each."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.errors import PostgresError

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_LINES = 12
_LEAST_FREE = 17 * 1024 * 1024
"""Bytes; PostgreSQL needs a new segment of the write-ahead log, 16 MiB, to start after a crash."""

NO_SPACE = "No space left on device"
"""Text of ENOSPC."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """A text in PostgreSQL's output, and what to do about it."""

    text: str
    remedy: str


_CAUSES = (
    _Cause(NO_SPACE, "free some space on the disk of that folder, then start again"),
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
        "start again; if it fails every time, start it as an ordinary user or allow user namespaces",
    ),
    _Cause("Read-only file system", "choose a folder on a file system that can be written"),
    _Cause(
        "Permission denied",
        "change the owner of the folder and its content to this user, or choose another folder",
    ),
    _Cause(
        "database files are incompatible with server",
        "use the PostgreSQL that created the folder, or remove the folder and start with an empty database",
    ),
    _Cause(
        "could not locate a valid checkpoint record",
        "the data did not survive a crash of the machine: remove the folder and start with an empty database",
    ),
)


def exit_error(what: str, output: str, exit_code: int | None) -> PostgresError:
    """Return the error for a PostgreSQL process that failed.

    Args:
        what: what failed, with the folder.
        output: its output; the last lines are shown.
        exit_code: exit code in the form of `subprocess`, None if the process still runs.
    """
    lines = [line for line in output.splitlines() if line.strip()][-_TAIL_LINES:]
    known = next((line for line in output.splitlines() if any(cause.text in line for cause in _CAUSES)), None)
    causes = [] if known is None or known in lines else [known]
    why = "\n       ".join([describe_exit(exit_code), *causes, *lines])
    return refusal_error(
        what, why, "correct the cause above, then start again; a start repairs the data after a crash"
    )


def full_disk(folder: Path) -> str | None:
    """Return a sentence if the disk of `folder` is full: PostgreSQL's log is then cut off, too."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= _LEAST_FREE:
        return None
    return f"{NO_SPACE}: the disk of {folder} has {free // 1024} KiB free"


def refusal_error(what: str, words: str, remedy: str) -> PostgresError:
    """Return the error for a message of PostgreSQL; `remedy` is used if the message has no known cause."""
    known = next((cause.remedy for cause in _CAUSES if cause.text in words), None)
    return PostgresError(what, words, known or remedy)


def describe_exit(code: int | None) -> str:
    """Describe how PostgreSQL ended."""
    if code is None:
        return "PostgreSQL does not answer"
    if code >= 0:
        return f"PostgreSQL ended with exit code {code}"
    cause = " (sent by a user, or by the system when it ran out of memory)" if code == -signal.SIGKILL else ""
    return f"PostgreSQL was ended by {signal.Signals(-code).name}{cause}"
