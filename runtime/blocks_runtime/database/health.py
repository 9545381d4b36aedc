"""Whether a database answers, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from ..errors import DatabaseError


@dataclass(frozen=True, slots=True)
class Health:
    """The answer to a health check."""

    ok: bool
    milliseconds: float
    error: DatabaseError | None = None
    """Why it is not."""

    def __bool__(self) -> bool:
        return self.ok
