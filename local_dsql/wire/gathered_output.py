"""Send the pieces of a long response together: each piece that arrives alone wakes the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 64 * 1024
"""Bytes that are sent without delay. PostgreSQL sends 8 KiB at a time."""

_LONGEST_DELAY = 0.001
"""Seconds; a query may produce its rows slowly. The shortest time of the event loop's timers."""


class GatheredOutput:
    """Keeps bytes until there are enough of them, or until a millisecond has passed."""

    __slots__ = ("_pieces", "_sink", "_size", "_timer")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._sink: Callable[[bytes], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, piece: bytes, sink: Callable[[bytes], None]) -> None:
        """Send a piece to `sink`, now or later."""
        self._pieces.append(piece)
        self._size += len(piece)
        self._sink = sink
        if self._size >= _AT_ONCE:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LONGEST_DELAY, self._on_time)

    def flush(self) -> None:
        """Send what is kept."""
        if self._sink is not None:
            data, sink = b"".join(self._pieces), self._sink
            self._pieces.clear()
            self._size, self._sink = 0, None
            sink(data)

    def _on_time(self) -> None:
        self._timer = None
        self.flush()
