"""Times in which this process did not run, so that a busy machine is not taken for a statement that waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_BEAT = 0.005


class Heartbeat:
    """A thread that wakes every 5 ms, and records by how much it was late."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        before = time.monotonic()
        while not self._stop.wait(_BEAT):
            now = time.monotonic()
            if now - before > 2 * _BEAT:
                self._late.append((before + _BEAT, now))
            before = now

    def stalled(self, began: float, ended: float) -> float:
        """Return for how many seconds between two moments the process stood still."""
        return sum(max(0.0, min(ended, end) - max(began, start)) for start, end in self._late)
