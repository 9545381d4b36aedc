"""The result of the last statement on a connection, as rows in Python.

psycopg's cursor is used for streams only. It finds out anew for each statement how values are converted and which
factory makes the rows, and costs about as much as PostgreSQL does for a look-up by key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import pq
from psycopg.adapt import Transformer

from ..errors import QueryFailed

if TYPE_CHECKING:
    from typing import Any

    from psycopg.abc import AdaptContext
    from psycopg.pq.abc import PGresult

    from .row_factories import Factory

_ROWS = pq.ExecStatus.TUPLES_OK


class Cursor:
    """The rows of one result at a time; good until the next statement on the connection."""

    __slots__ = ("_factory", "settings", "transformer")

    _factory: Factory

    def __init__(self, context: AdaptContext, settings: tuple[bytes | None, ...]) -> None:
        self.transformer = Transformer(context)
        """Converts values, by the encoding and time zone that the session had when it met each type first."""
        self.settings = settings
        """The reported parameters of the session for which the transformer was made."""

    def show(self, result: PGresult, factory: Factory) -> None:
        """Take the result of a statement."""
        self.transformer.set_pgresult(result)
        self._factory = factory

    def clear(self) -> None:
        """Drop the result, so that it stays in memory no longer than needed."""
        self.transformer.set_pgresult(None)

    @property
    def count(self) -> int:
        """Number of rows that the statement returned, or else changed."""
        result = self.transformer.pgresult
        if result is None:
            return 0
        return result.ntuples if result.status == _ROWS else result.command_tuples or 0

    @property
    def columns(self) -> int:
        """Number of columns of the rows."""
        result = self.transformer.pgresult
        return 0 if result is None else result.nfields

    def first(self) -> Any:
        """Return the first row, None if there is none.

        Raises:
            QueryFailed: the statement returns no rows.
        """
        transformer = self.transformer
        result = transformer.pgresult
        if result is None or result.status != _ROWS:
            raise _without_rows(result)
        if not result.ntuples:
            return None
        return transformer.load_row(0, self._factory(_names(result, transformer.encoding)))

    def all(self) -> list[Any]:
        """Return all rows; errors as of `first`."""
        transformer = self.transformer
        result = transformer.pgresult
        if result is None or result.status != _ROWS:
            raise _without_rows(result)
        return transformer.load_rows(0, result.ntuples, self._factory(_names(result, transformer.encoding)))


def _names(result: PGresult, encoding: str) -> list[str]:
    return [(result.fname(index) or b"").decode(encoding) for index in range(result.nfields)]


def _without_rows(result: PGresult | None) -> QueryFailed:
    tag = None if result is None else result.command_status
    if not tag:
        return QueryFailed("the statement is empty", advice="write one statement; a comment alone is none")
    return QueryFailed(
        f"the statement was executed and returns no rows to read ({tag.decode()})",
        advice="use execute() for it, or add RETURNING",
    )
