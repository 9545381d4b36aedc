"""The standard streams of a command."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def open_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed, as after `>&-` or without a terminal.

    Python has None for such a stream. Its descriptor would be that of the next file which is opened, and a program
    that is started would write its output into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor, which is this one; programs that are started have it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or _null("r")
    sys.stdout = sys.stdout or _null("w")
    sys.stderr = sys.stderr or _null("w")


def _null(mode: str) -> TextIO:
    # Not the stream's own descriptor: it may be another file's by now.
    descriptor = os.open(os.devnull, os.O_RDWR)
    return io.TextIOWrapper(io.FileIO(descriptor, mode), encoding="utf-8", errors="backslashreplace")
