"""The line a transaction leaves in the log: attempts, duration, SQLSTATE; no parameter, no token, ever."""

from __future__ import annotations

import logging

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .errors import DatabaseError

_logger = logging.getLogger("blocks_runtime")
_logger.addHandler(logging.NullHandler())


def committed(database: str, attempts: int, seconds: float) -> None:
    """Log a commit: at INFO where a retry was needed, else at DEBUG."""
    level = logging.INFO if attempts > 1 else logging.DEBUG
    extra = {"database": database, "attempts": attempts, "milliseconds": round(seconds * 1000, 1)}
    _logger.log(
        level, "transaction committed on attempt %d in %.0f ms", attempts, seconds * 1000, extra=extra
    )


def gave_up(database: str, error: DatabaseError, seconds: float) -> None:
    """Log a transaction that came to nothing, at WARNING."""
    extra = {
        "database": database,
        "attempts": error.attempts,
        "milliseconds": round(seconds * 1000, 1),
        "sqlstate": error.sqlstate,
    }
    _logger.warning(
        "transaction failed with %s (SQLSTATE %s) on attempt %d after %.0f ms",
        type(error).__name__,
        error.sqlstate,
        error.attempts,
        seconds * 1000,
        extra=extra,
    )
