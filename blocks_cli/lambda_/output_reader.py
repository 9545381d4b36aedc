"""Reader of a sandbox's output: passes on lines as they arrive, and keeps the tail for the invocation."""

from __future__ import annotations

import os
import selectors
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINE = 256 * 1024
"""Bytes after which a line is broken, as CloudWatch does (CloudWatch Logs guide, "Quotas")."""

LINES_PER_SECOND = 10_000
"""Lines that are passed on; more are counted, so that a function does not wait for a terminal."""

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
        self._second, self._passed, self._left_out = 0, 0, 0
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def take_tail(self) -> str:
        """Return the tail of the output since the last call, including bytes still in the pipe."""
        with self._lock:
            self._drain()
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
        line, self._line = self._line.decode("utf-8", "replace"), bytearray()
        now = int(time.monotonic())
        if now != self._second:
            if self._left_out:
                self._on_line(f"({self._left_out} lines left out: more than {LINES_PER_SECOND} in a second)")
            self._second, self._passed, self._left_out = now, 0, 0
        self._passed += 1
        if self._passed <= LINES_PER_SECOND:
            self._on_line(line)
        else:
            self._left_out += 1
