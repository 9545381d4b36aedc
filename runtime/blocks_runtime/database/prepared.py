"""The statements that one connection has prepared on the server, and those that it runs often enough for that.

The server parses and plans a prepared statement once. It is one text with the types of its values, as psycopg's are.

psycopg drops its prepared statements with DEALLOCATE <name>, which DSQL refuses, unless libpq can close them in the
protocol (17 and later). AWS user guide, "supported SQL"; psycopg documentation, "Prepared statements".
"""

from __future__ import annotations

import psycopg

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from typing import TypeAlias

    Key: TypeAlias = tuple[str, tuple[int, ...]]
    """Text of a statement with the types of its values."""

AFTER = 5 if psycopg.capabilities.has_send_close_prepared() else None
"""Executions after which a statement is prepared; None: never. psycopg's own default."""

KEPT = 100
"""Largest number of statements that are prepared at a time, and of those whose executions are counted."""

CLOSED = 2
"""Largest number of forgotten statements that are closed before another one is prepared."""


class PreparedStatements:
    """Names of prepared statements by text and types; the oldest has to be closed once there are `KEPT`."""

    def __init__(self) -> None:
        self.names: dict[Key, bytes] = {}
        self._executions: dict[Key, int] = {}
        self._obsolete: list[bytes] = []
        self._made = 0

    def due(self, key: Key) -> bool:
        """Count an execution of a statement that is not prepared; return whether it should be now."""
        count = self._executions.pop(key, 0)
        if AFTER is None or count >= AFTER:
            return AFTER is not None
        if len(self._executions) >= KEPT:
            del self._executions[next(iter(self._executions))]
        self._executions[key] = count + 1
        return False

    def take_surplus(self) -> list[bytes]:
        """Return names of statements to close before another one is prepared: forgotten ones, and one too many.

        They are few, because each takes a round trip; there are more to close than one each time, so they become fewer.
        """
        surplus = self._obsolete[:CLOSED]
        del self._obsolete[:CLOSED]
        if len(self.names) >= KEPT:
            surplus.append(self.names.pop(next(iter(self.names))))
        return surplus

    def new_name(self) -> bytes:
        """Return a name that was not used before."""
        self._made += 1
        return b"blocks_%d" % self._made

    def forget(self) -> None:
        """Forget all statements: their plans may not be valid any more."""
        self._obsolete += self.names.values()
        self.names.clear()
        self._executions.clear()
