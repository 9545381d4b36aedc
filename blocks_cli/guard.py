"""A guard of a child process, which ends with this process: also after SIGKILL, and on every system."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = """
read -r done && exit
kill -s TERM -- "$1" && sleep 1 && kill -s KILL -- "$1"
"""
"""The guard reads a pipe whose other end this process alone holds: its end without a line is that of this process."""


@contextlib.contextmanager
def guarded(child: subprocess.Popen[str] | subprocess.Popen[bytes], *, group: bool = False) -> Iterator[None]:
    """End a child, or its process group, if this process ends within the block; SIGTERM first, a second later SIGKILL.

    A parent-death signal would reach the child alone, and not what a shell has started.
    """
    target = f"{'-' * group}{child.pid}"
    with subprocess.Popen(
        ["/bin/sh", "-c", _PROGRAM, "guard", target],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as guard:
        try:
            yield
        finally:
            guard.communicate(b"\n")
