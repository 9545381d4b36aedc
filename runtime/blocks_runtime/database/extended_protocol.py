"""Statements by the extended query protocol, in which one text holds one statement.

psycopg sends a statement without parameters by the simple protocol, where PostgreSQL runs every statement of a text. A
COMMIT among them would end a transaction, and an error in a later one would not undo what was committed before. In the
extended protocol PostgreSQL refuses the text before it runs any of it (42601).

Sources: PostgreSQL 16 documentation, "Multiple Statements in a Simple Query"; psycopg, "Differences from psycopg2".
"""

from __future__ import annotations

import psycopg

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from psycopg._queries import PostgresQuery

if not hasattr(psycopg.RawCursor, "_execute_send"):
    raise ImportError(
        f"psycopg {psycopg.__version__} cannot be told to use the extended protocol in the way that blocks_runtime "
        "knows; install the version in its requirements"
    )


class ExtendedProtocol:
    """Mixin for a cursor of psycopg, which has no public option for this."""

    def _execute_send(
        self, query: PostgresQuery, *, force_extended: bool = False, binary: bool | None = None
    ) -> None:
        del force_extended
        super()._execute_send(query, force_extended=True, binary=binary)  # type: ignore[misc]
