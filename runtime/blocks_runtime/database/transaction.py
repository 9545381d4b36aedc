# Auto-generated from aio/transaction.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""The open transaction that a callback or a `with` block uses: one connection, one snapshot."""

from __future__ import annotations

from ..errors import DatabaseError, TransactionAborted
from .statements import Statements, checked

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from ..shared.deadline import Deadline
    from .fragments import Sql
    from .primitives import Cursor
    from .results import TransactionInfo
    from .session import Session
    from .table_shapes import TableShapes

    R = TypeVar("R")

# Reasons to refuse further statements, each with its remedy.
_OVER = "the transaction is over", "use `tx` only inside the callback or the block"
_LEFT = (
    "a stream was left before its last row, which closed the connection of the transaction",
    "read it to its end, or ask for fewer rows with LIMIT",
)
_UNDER_WAY = (
    "a statement of the transaction is still under way, so it is not committed",
    "wait for every statement before the function returns",
)


class Transaction(Statements):
    """One open transaction. It reads one snapshot; conflicts are reported when it commits.

    Tasks, or threads, may share it: its one connection runs their statements one after the other.
    """

    def __init__(
        self,
        session: Session,
        info: TransactionInfo,
        shapes: TableShapes,
        until: float | None = None,
    ) -> None:
        from .primitives import Lock

        self._session = session
        self._known_shapes = shapes
        self._until = until
        self.info = info
        """The course of the transaction over all its attempts."""
        self.attempt = info.attempts
        """Number of this run of the callback, from 1."""
        self._failure: DatabaseError | None = None
        self._ended: tuple[str, str] | None = None
        self._turn = Lock()

    @property
    def _shapes(self) -> TableShapes:
        return self._known_shapes

    def _run(
        self,
        statement: Sql,
        fetch: Callable[[Cursor], R],
        row_type: type[Any] | None,
        deadline: Deadline | None,
    ) -> R:
        checked(statement)
        until = self._until if deadline is None else self._earliest(deadline)
        with self._turn:
            self._check()
            try:
                if row_type is None:
                    return fetch(self._session.run(statement, until=until))
                return fetch(self._session.run(statement, _factory(row_type), until))
            except DatabaseError as error:
                self._note(error)
                raise

    def _stream(
        self, statement: Sql, row_type: type[Any] | None, size: int, deadline: Deadline | None
    ) -> Iterator[Any]:
        checked(statement)
        until = self._until if deadline is None else self._earliest(deadline)
        with self._turn:  # released before the first row, so that another statement fails instead of blocking
            self._check()
            rows = self._session.stream(statement, _factory(row_type), until, size)
        try:
            for row in rows:
                yield row
        except DatabaseError as error:
            self._note(error)
            raise
        except BaseException:
            self._ended = _LEFT
            raise

    def _earliest(self, deadline: Deadline) -> float | None:
        from ..shared.deadline import earliest, expires_at

        return earliest(self._until, expires_at(deadline))

    def _note(self, error: DatabaseError) -> None:
        error.attempts = self.attempt
        self._failure = self._failure or error

    def _commit(self) -> None:
        """Commit, called by the engine after the callback; an error that the callback suppressed becomes the cause."""
        self._check()
        if self._turn.locked():
            raise _refused(_UNDER_WAY)
        self._end()
        try:
            self._session.commit(self._until)
        except TransactionAborted as aborted:
            if self._failure is None:
                raise
            aborted.retryable = self._failure.retryable
            raise aborted from self._failure

    def _end(self) -> None:
        """Refuse further statements; the connection goes back to the pool."""
        self._ended = _OVER

    def _check(self) -> None:
        if self._ended is not None:
            raise _refused(self._ended)


def _factory(row_type: type[Any] | None) -> Any:
    from .row_factories import factory

    return factory(row_type)


def _refused(reason: tuple[str, str]) -> TransactionAborted:
    said, way_out = reason
    return TransactionAborted(said, advice=way_out)
