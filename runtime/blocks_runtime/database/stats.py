"""What one process has done with a database, in numbers."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """A reading of the counters, which start at zero with the process (or after `close`)."""

    statements: int = 0
    """Statements sent, BEGIN, COMMIT and ROLLBACK included."""
    commits: int = 0
    """Transactions of `transaction` that committed."""
    conflicts: int = 0
    """Attempts that ended with SQLSTATE 40001."""
    retries: int = 0
    """Attempts that were followed by another one."""
    unknown: int = 0
    """Transactions and statements whose outcome was lost."""
    connects: int = 0
    """Connections opened."""
    refused: int = 0
    """Attempts to connect that failed."""
    replaced: int = 0
    """Connections found dead or too old when they were wanted."""
    open: int = 0
    """Connections there are now."""
    idle: int = 0
    """Those of them that nobody uses."""


class Counters:
    """The counters that are not kept by the pool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.commits = 0
        self.conflicts = 0
        self.retries = 0
        self.unknown = 0
        self.connects = 0
        self.refused = 0

    def add(self, **amounts: int) -> None:
        """Add to counters by name; two threads may do so at once."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def reading(self, **others: int) -> Stats:
        """Return all counters, with those that are kept elsewhere."""
        with self._lock:
            own = {name: value for name, value in vars(self).items() if name != "_lock"}
        return Stats(**own, **others)
