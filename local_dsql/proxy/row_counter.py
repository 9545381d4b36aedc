"""How many rows a statement has changed.

The command tag tells, except where a statement nests writes in CTEs or a foreign key changes rows by itself: then
PostgreSQL's own counters of the transaction are read before and after, which costs two more round trips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.occ.engine import Engine
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.response import Response

_COUNT = (
    "SELECT coalesce(pg_catalog.sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_catalog.pg_stat_xact_user_tables"
    " WHERE schemaname <> 'local_dsql'"
)
_TAGS = ("INSERT", "UPDATE", "DELETE", "COPY")


class Counter:
    """Counts the rows that one statement changes."""

    def __init__(
        self, engine: Engine, backend: Backend, statement: Statement, *, in_pieces: bool = False
    ) -> None:
        self._engine = engine
        self._backend = backend
        self._statement = statement
        self._in_pieces = in_pieces
        self._before: int | None = None

    async def begin(self) -> None:
        """Read the counters, if the tag will not tell. The backend must be ours to use."""
        if self._statement.writes and await self._is_hidden():
            self._before = await self._read()

    async def end(self, answer: Response) -> int:
        """Return how many rows a statement has changed that was answered so."""
        if answer.error is not None:
            return 0
        if self._before is not None:
            return await self._read() - self._before
        return sum(_rows(tag) for tag in answer.tags)

    async def _is_hidden(self) -> bool:
        statement = self._statement
        if self._engine.hidden or self._in_pieces:
            return True  # a default or a check may call a function that writes; or the tag comes with the last row
        if not statement.tag_counts_rows:
            return True
        tables = await self._engine.tables.current(self._engine.catalog)
        return tables.cascades and (statement.deletes or statement.updates)

    async def _read(self) -> int:
        (answer,) = await self._backend.request(
            messages.side_query(_COUNT) if self._in_pieces else messages.query(_COUNT)
        )
        return int(str(answer.rows()[0][0]))


def _rows(tag: str) -> int:
    words = tag.split()
    return int(words[-1]) if words[0] in _TAGS else 0
