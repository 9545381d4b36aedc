"""Values that a database returns beside rows: health, and counters as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ..errors import DatabaseError

Row: TypeAlias = dict[str, Any]
"""Column name to value. The type of a column is known to the database, not to Python, hence the one `Any`."""


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
