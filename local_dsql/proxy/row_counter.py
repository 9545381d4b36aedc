"""Count the rows that a statement changes.

The command tag tells the number, unless the statement also writes in CTEs, functions or foreign key actions. Then
PostgreSQL's counters of the transaction are read before and after it, which costs two more round trips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.proxy.engine_session import ExclusiveAccess
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.response import Response

_COUNT = (
    "SELECT coalesce(pg_catalog.sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_catalog.pg_stat_xact_user_tables"
    " WHERE schemaname <> 'local_dsql'"
)
_TAGS = ("INSERT", "UPDATE", "DELETE", "COPY")


class RowCounter:
    """Counts the rows that one statement changes.

    `in_pieces` says that the client reads the result with a row limit: the tag then comes with the last row.
    """

    def __init__(self, backend: Backend, statement: Statement, *, in_pieces: bool = False) -> None:
        self._backend = backend
        self._statement = statement
        self._in_pieces = in_pieces
        self._before: int | None = None

    async def begin(self, held: ExclusiveAccess) -> None:
        """Read the counters if the tag will not suffice."""
        if self._statement.writes and (self._in_pieces or await held.hides_rows(self._statement)):
            self._before = await self._read()

    async def end(self, response: Response) -> int:
        """Return how many rows the statement has changed; the backend's lock must be held."""
        if response.error is not None:
            return 0
        if self._before is not None:
            return await self._read() - self._before
        return sum(_rows(tag) for tag in response.tags)

    async def _read(self) -> int:
        request = messages.side_query(_COUNT) if self._in_pieces else messages.query(_COUNT)
        (response,) = await self._backend.request(request)
        return int(str(response.rows()[0][0]))


def _rows(tag: str) -> int:
    words = tag.split()
    return int(words[-1]) if words[0] in _TAGS else 0
