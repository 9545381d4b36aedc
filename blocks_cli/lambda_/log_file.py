"""The log of all functions of a deployment: a file of JSON lines that several processes append to."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
"""Size at which a new file is begun; the one before it is kept, older ones are deleted."""

_INTERVAL = 0.1
"""Seconds between two looks for new lines."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a function wrote: seconds since 1970, construct path, text."""

    time: float
    function: str
    text: str


class LogFile:
    """The log in a folder; thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "functions.jsonl"
        self._lock = threading.Lock()
        self._opened: IO[bytes] | None = None

    def write(self, function: str, line: str) -> None:
        """Append a line; a file that cannot be written is no error of the function."""
        row = json.dumps([round(time.time(), 3), function, line]).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):
            self._current().write(row)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._opened:
                self._opened.close()
            self._opened = None

    def read(self) -> list[LogLine]:
        """Return the lines of the file and of the one before it."""
        return [line for file in (self._older, self._file) for line in _lines(_content(file))]

    def follow(self) -> Iterator[LogLine]:
        """Yield new lines as they are written, without an end."""
        inode, position = self._end()
        while True:
            data, inode, position = self._new(inode, position)
            yield from _lines(data)
            time.sleep(_INTERVAL)

    @property
    def _older(self) -> Path:
        return self._file.with_suffix(".1.jsonl")

    def _current(self) -> IO[bytes]:
        """Return the file to append to; another process may have begun a new one."""
        if self._opened and not _is_current(self._opened, self._file):
            self._opened.close()
            self._opened = None
        if self._opened and self._opened.tell() > MAX_BYTES:
            self._file.replace(self._older)
            return self._current()
        if self._opened is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._opened = self._file.open("ab", buffering=0)
            self._opened.seek(0, os.SEEK_END)
        return self._opened

    def _end(self) -> tuple[int, int]:
        try:
            status = self._file.stat()
        except OSError:
            return 0, 0
        return status.st_ino, status.st_size

    def _new(self, inode: int, position: int) -> tuple[bytes, int, int]:
        """Return whole lines after a position, and the position after them; a new file is read from its start."""
        try:
            with self._file.open("rb") as file:
                now = os.fstat(file.fileno()).st_ino
                start = position if now == inode else 0
                file.seek(start)
                data = file.read()
        except OSError:
            return b"", inode, position
        whole = data[: data.rfind(b"\n") + 1]
        return whole, now, start + len(whole)


def _is_current(opened: IO[bytes], file: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(opened.fileno()), file.stat())
    return False


def _content(file: Path) -> bytes:
    with contextlib.suppress(OSError):
        return file.read_bytes()
    return b""


def _lines(data: bytes) -> Iterator[LogLine]:
    for row in data.splitlines():
        with contextlib.suppress(ValueError):  # cut off when a disk was full
            when, function, line = json.loads(row)
            yield LogLine(when, function, line)
