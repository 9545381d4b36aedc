"""Reader of a sandbox's output: passes on lines as they arrive, and keeps the tail for the invocation."""

from __future__ import annotations

import os
import selectors
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINE = 256 * 1024
"""Bytes after which a line is broken, as CloudWatch does (CloudWatch Logs guide, "Quotas")."""

LINES_PER_SECOND, BYTES_PER_SECOND = 2000, 1024 * 1024
"""Output that is passed on; further lines are counted, so that a function does not wait for a terminal."""

TAIL = 4096
"""Maximum bytes of log that Lambda returns with an invocation (`LogType=Tail`)."""


class OutputReader:
    """Reads a pipe until its writers have closed it; owns the descriptor.

    `on_line` gets every whole line, from a thread of ours or from the one that takes the tail.
    """

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._on_line = on_line
        self._lock = threading.Lock()
        self._tail = bytearray()
        self._line = bytearray()
        self._open = True
        self._budget = _Budget()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def add(self, line: str) -> None:
        """Add a line of Lambda itself after the output that is in the pipe."""
        with self._lock:
            self._drain()
            if self._line:
                self._keep(b"\n")
            elif self._tail and not self._tail.endswith(b"\n"):
                self._tail += b"\n"  # the end of the output has ended its last line
            self._keep(line.encode() + b"\n")

    def take_tail(self) -> str:
        """Return the tail of the output since the last call, including bytes still in the pipe."""
        with self._lock:
            self._drain()
            self._report_left_out()
            tail = self._tail.decode("utf-8", "replace")
            self._tail.clear()
        return tail

    def join(self) -> None:
        """Wait until the last writer has closed the pipe; at most a second, because a grandchild may hold it."""
        self._thread.join(1)

    def _follow(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._descriptor, selectors.EVENT_READ)
            while self._open:
                selector.select()
                with self._lock:
                    self._drain()
        os.close(self._descriptor)

    def _drain(self) -> None:
        while self._open:
            try:
                chunk = os.read(self._descriptor, 65536)
            except BlockingIOError:
                return
            self._open = bool(chunk)
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        # The runtime client separates lines of a log entry with carriage returns.
        chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._tail += chunk
        del self._tail[:-TAIL]
        first, *others = chunk.split(b"\n")
        self._line += first
        for other in others:
            self._end_line()
            self._line += other
        if self._line and (not self._open or len(self._line) >= LONGEST_LINE):
            self._end_line()

    def _end_line(self) -> None:
        line, self._line = self._line, bytearray()
        if self._budget.is_new_second():
            self._report_left_out()
        if self._budget.take(len(line)):
            self._on_line(line.decode("utf-8", "replace"))

    def _report_left_out(self) -> None:
        if self._budget.left_out:
            self._on_line(
                f"({self._budget.left_out} lines left out: more than {LINES_PER_SECOND} lines or 1 MB a second)"
            )
            self._budget.left_out = 0


@dataclass
class _Budget:
    """Lines and bytes of the current second; `left_out` are the lines beyond it."""

    second: int = 0
    lines: int = 0
    bytes: int = 0
    left_out: int = 0

    def is_new_second(self) -> bool:
        """Begin another second, if it is one."""
        now = int(time.monotonic())
        if now == self.second:
            return False
        self.second, self.lines, self.bytes = now, 0, 0
        return True

    def take(self, length: int) -> bool:
        """Return whether a line of this length is passed on."""
        fits = self.lines < LINES_PER_SECOND and self.bytes < BYTES_PER_SECOND
        self.lines += fits
        self.bytes += length * fits
        self.left_out += not fits
        return fits
