"""Values that a database returns beside rows: how a transaction went, health, counters."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ..errors import DatabaseError

Row: TypeAlias = dict[str, Any]
"""Column name to value. The type of a column is known to the database, not to Python, hence the one `Any`."""


class TransactionInfo:
    """The course of a transaction; `tx.info` is one object for all attempts, and complete after the commit."""

    __slots__ = ("attempts", "conflicts", "milliseconds")

    def __init__(self) -> None:
        self.attempts = 0
        """Attempts begun."""
        self.conflicts: list[str] = []
        """SQLSTATE of the error that ended each failed attempt, the name of its class if it has none."""
        self.milliseconds = 0.0
        """Time from the first BEGIN to the end of the last attempt, waits included."""

    def __repr__(self) -> str:
        return f"TransactionInfo(attempts={self.attempts}, milliseconds={self.milliseconds:.1f})"


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a health check."""

    ok: bool
    milliseconds: float
    error: DatabaseError | None = None
    """The reason, if it is not ok."""

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters of one process, which start at zero with the process (or after `close`)."""

    statements: int = 0
    """Statements sent, BEGIN, COMMIT and ROLLBACK included."""
    commits: int = 0
    """Transactions of `transaction` that committed."""
    conflicts: int = 0
    """Attempts that ended with SQLSTATE 40001."""
    retries: int = 0
    """Attempts that were retried."""
    unknown: int = 0
    """Transactions and statements whose outcome is unknown."""
    connects: int = 0
    """Connections opened."""
    refused: int = 0
    """Attempts to connect that failed."""
    replaced: int = 0
    """Connections found dead or too old when a statement needed one."""
    open: int = 0
    """Connections that are open now."""
    idle: int = 0
    """Open connections that are not in use."""


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
        with self._lock:
            own = {name: value for name, value in vars(self).items() if name != "_lock"}
        return Stats(**own, **others)
