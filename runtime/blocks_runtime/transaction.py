# Derived from aio/transaction.py by runtime/derive.py; change that one.
"""What a transaction's callback gets: the calls that run a statement, on one connection and one snapshot."""

from __future__ import annotations

from .errors import DatabaseError, TransactionAborted
from .statements import Statements, checked

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from .deadline import Deadline
    from .fragments import Sql
    from .info import TransactionInfo
    from .primitives import Cursor
    from .session import Session
    from .table_shapes import TableShapes

    R = TypeVar("R")


class Transaction(Statements):
    """One open transaction. It sees one snapshot; conflicts are reported when it commits."""

    def __init__(
        self,
        session: Session,
        info: TransactionInfo,
        shapes: TableShapes,
        until: float | None = None,
    ) -> None:
        self._session = session
        self._known_shapes = shapes
        self._until = until
        self.info = info
        """How the transaction goes, over all its attempts."""
        self.attempt = info.attempts
        """Which run of the callback this is, from 1."""
        self._failure: DatabaseError | None = None
        self._over = False

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
        if self._over:
            raise _over()
        checked(statement)
        until = self._until if deadline is None else self._sooner(deadline)
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
        if self._over:
            raise _over()
        until = self._until if deadline is None else self._sooner(deadline)
        try:
            for row in self._session.stream(checked(statement), _factory(row_type), until, size):
                yield row
        except DatabaseError as error:
            self._note(error)
            raise

    def _sooner(self, deadline: Deadline) -> float | None:
        from .deadline import moment, sooner

        return sooner(self._until, moment(deadline))

    def _note(self, error: DatabaseError) -> None:
        error.attempts = self.attempt
        self._failure = self._failure or error

    def _commit(self) -> None:
        """Commit, as the engine does after the callback; an error that it swallowed becomes the cause."""
        self._end()
        try:
            self._session.commit(self._until)
        except TransactionAborted as aborted:
            if self._failure is None:
                raise
            aborted.retryable = self._failure.retryable
            raise aborted from self._failure

    def _end(self) -> None:
        """Refuse further statements; the connection will serve somebody else."""
        self._over = True


def _factory(row_type: type[Any] | None) -> Any:
    from .row_factories import factory

    return factory(row_type)


def _over() -> TransactionAborted:
    return TransactionAborted(
        "the transaction is over", advice="use `tx` only inside the callback or the block"
    )
