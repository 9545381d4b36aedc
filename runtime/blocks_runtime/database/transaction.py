# Auto-generated from aio/transaction.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""The open transaction that a callback or a `with` block uses: one connection, one snapshot."""

from __future__ import annotations

import time

from ..errors import DatabaseError, TransactionAborted
from ..shared.deadline import earliest, expires_at, not_sent
from .fragments import Sql
from .statements import Statements, checked

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any, TypeVar

    from ..shared.deadline import Deadline
    from .course import TransactionInfo
    from .cursor import Cursor
    from .primitives import Turn
    from .session import Session
    from .table_shapes import TableShapes

    R = TypeVar("R")

_END = object()
"""Stands for the end of a stream."""

# Reasons to refuse further statements, each with its remedy.
_OVER = "the transaction is over", "use `tx` only inside the callback or the block"
_LEFT = (
    "a stream was left before its last row, which closes the connection of the transaction",
    "read it to its end, or ask for fewer rows with LIMIT",
)
_UNDER_WAY = (
    "a statement of the transaction is still under way, so it is not committed",
    "wait for every statement before the function returns",
)
_ENDED = (
    "a statement had ended the transaction",
    "return from the function to commit, raise an exception to roll back",
)
_CUT = (
    "the transaction ended while the statement was under way, and nothing of it is committed",
    "wait for every statement before the function returns or raises",
)


class Transaction(Statements):
    """One open transaction. It reads one snapshot; conflicts are reported when it commits.

    Tasks, or threads, may share it: its one connection runs their statements one after the other.

    The one that has the turn uses the connection: a statement, a step of a stream, COMMIT, ROLLBACK. So no statement
    is sent once the transaction has ended, and the pool gets no connection that is in use. A statement that is under
    way at the end is cut off by a shutdown of the socket, and closes the connection when it leaves its turn; the end
    does not wait for it.
    """

    def __init__(
        self,
        session: Session,
        info: TransactionInfo,
        shapes: TableShapes,
        until: float | None,
        expiry: Callable[[float | None], float | None],
        release: Callable[[Session], None],
        turn: Turn,
    ) -> None:
        self._session = session
        self._known_shapes = shapes
        self._until = until
        self._expiry = expiry
        """Returns the time at which a statement sent now is abandoned, not later than the time it is given."""
        self._release = release
        self.info = info
        """The course of the transaction over all its attempts."""
        self.attempt = info.attempts
        """Number of this run of the callback, from 1."""
        self._failure: BaseException | None = None
        self._turn = turn
        self._refusal: tuple[str, str] | None = None
        """The reason why no further statement is sent."""
        self._rolled_back = False
        """True once ROLLBACK has begun; a statement that has the turn then closes the connection."""
        self._released = False
        self._left: list[object] = []
        """Streams that were left: psycopg would speak to the server if they were garbage collected first."""

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
        if type(statement) is not Sql:
            checked(statement)
        until = earliest(self._until, expires_at(deadline))
        self._take_turn(until)
        try:
            until = self._expiry(until)
            if row_type is None:
                result = fetch(self._session.run(statement, until=until))
            else:
                result = fetch(self._session.run(statement, _factory(row_type), until))
        except BaseException as error:
            self._note(error)
            raise
        finally:
            self._pass_turn()
        if self._rolled_back:
            raise _refused(_CUT)
        return result

    def _stream(
        self, statement: Sql, row_type: type[Any] | None, size: int, deadline: Deadline | None
    ) -> Iterator[Any]:
        """Have the turn for each row, and not in between, so that another statement fails instead of blocking."""
        checked(statement)
        until = earliest(self._until, expires_at(deadline))
        rows: Generator[Any, None] | None = None
        unread = False
        try:
            while True:
                self._take_turn(until)
                try:
                    if rows is None:
                        until = self._expiry(until)
                        rows = self._session.stream(statement, _factory(row_type), until, size)
                    unread = False
                    row = next(rows, _END)
                    unread = row is not _END
                except BaseException as error:
                    self._note(error)
                    raise
                finally:
                    self._pass_turn()
                if not unread:
                    return
                yield row
        finally:
            if rows is not None and unread:
                self._leave_stream(rows)

    def _leave_stream(self, rows: Generator[Any, None]) -> None:
        """Close the connection of a stream that was left before its last row."""
        self._refusal = self._refusal or _LEFT
        if not self._turn.try_acquire():
            self._left.append(rows)
            self._session.abort()
            return
        from .session import close_generator

        try:
            self._session.close()
            close_generator(rows)
        finally:
            self._pass_turn()

    def _take_turn(self, until: float | None) -> None:
        """Wait until the connection is free for a statement.

        Raises:
            DeadlineExceeded: it was not free at `until`.
            TransactionAborted: the transaction takes no statements any more.
            QueryFailed: with threads, this thread has the turn already; an asyncio task waits until `until`.
        """
        if not self._turn.acquire(None if until is None else until - time.monotonic()):
            late = not_sent("another one was under way")
            late.attempts = self.attempt
            raise late
        if self._refusal is not None:
            reason = self._refusal
            self._pass_turn()
            raise _refused(reason)

    def _pass_turn(self) -> None:
        """Pass the turn on, and close the connection if the transaction was rolled back meanwhile."""
        if self._rolled_back:
            self._discard()
        self._turn.release()
        if (
            self._rolled_back and not self._released and self._turn.try_acquire()
        ):  # it was rolled back between the two lines above
            self._discard()
            self._turn.release()

    def _note(self, error: BaseException) -> None:
        """Note the first error that made the transaction fail.

        Raises:
            TransactionAborted: the end of the transaction cut the statement off.
        """
        if self._rolled_back and isinstance(error, Exception):
            raise _refused(_CUT) from error
        if isinstance(error, DatabaseError):
            error.attempts = self.attempt
        if self._session.outside:
            self._refusal = self._refusal or _ENDED
        if self._failure is None and self._session.failed:
            self._failure = error

    def _commit(self) -> None:
        """Commit, called by the engine after the callback; an error that the callback suppressed becomes the cause."""
        if not self._turn.seize():
            raise _refused(_UNDER_WAY)
        if self._refusal is not None:
            raise _refused(self._refusal)
        if self._session.streaming:  # asyncio closes the generator of a stream that was left only later
            raise _refused(_LEFT)
        self._refusal = _OVER
        try:
            self._session.commit(self._expiry(self._until))
        except TransactionAborted as aborted:
            if self._failure is None:
                raise
            aborted.retryable = isinstance(self._failure, DatabaseError) and self._failure.retryable
            raise aborted from self._failure
        self._give_back()
        self._turn.release_seized()

    def _roll_back(self, error: BaseException) -> None:
        """End the transaction after an error, called by the engine; a statement under way is cut off."""
        if self._released:  # an interrupt after COMMIT: the connection may have another user by now
            self._turn.release_seized()
            return
        self._refusal = _OVER
        self._rolled_back = True
        try:
            if not self._turn.seize():
                self._session.abort()
            elif isinstance(error, Exception):
                self._session.rollback()
            else:  # an interrupt may have arrived in the middle of a message
                self._session.close()
        except BaseException:
            if self._turn.seize():
                self._session.close()
            raise
        finally:
            if self._turn.seize():
                self._give_back()
                self._turn.release_seized()

    def _discard(self) -> None:
        self._session.close()
        self._give_back()

    def _give_back(self) -> None:
        """Return the connection to the pool, once; called by the one that has the turn."""
        if not self._released:
            self._released = True
            self._release(self._session)


def _factory(row_type: type[Any] | None) -> Any:
    from .row_factories import factory

    return factory(row_type)


def _refused(reason: tuple[str, str]) -> TransactionAborted:
    said, way_out = reason
    return TransactionAborted(said, advice=way_out)
