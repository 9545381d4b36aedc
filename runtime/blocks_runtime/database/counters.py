"""Counters of a database that its pool does not keep."""

from __future__ import annotations

import threading

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .results import Stats


class Counters:
    """Counters that the pool does not keep."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.commits = 0
        self.conflicts = 0
        self.retries = 0
        self.unknown = 0
        self.connects = 0
        self.refused = 0

    def add(self, **amounts: int) -> None:
        """Add to counters by name; safe to call from several threads."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def read(self, **others: int) -> Stats:
        """Return all counters; `others` are those of the pool."""
        from .results import Stats

        with self._lock:
            own = {name: value for name, value in vars(self).items() if name != "_lock"}
        return Stats(**own, **others)
