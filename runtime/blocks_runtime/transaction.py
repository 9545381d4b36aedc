"""What a transaction's callback gets: the same three calls as the database has, on one connection."""

from __future__ import annotations

from .errors import DatabaseError, TransactionAborted
from .fragments import Sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .rows import Row
    from .session import Cursor, Session


class Transaction:
    """One open transaction. It sees one snapshot; conflicts are reported when it commits."""

    def __init__(self, session: Session, attempt: int) -> None:
        self._session = session
        self.attempt = attempt
        """Which run of the callback this is, from 1."""
        self._failure: DatabaseError | None = None
        self._over = False

    def query(self, statement: Sql) -> list[Row]:
        """Return all rows, each a dict by column name; an empty list where there are none."""
        return self._run(statement).fetchall()

    def query_one(self, statement: Sql) -> Row | None:
        """Return the first row, or None where there is none."""
        return self._run(statement).fetchone()

    def execute(self, statement: Sql) -> int:
        """Return how many rows the statement changed (or returned)."""
        return max(self._run(statement).rowcount, 0)

    def _run(self, statement: Sql) -> Cursor:
        if self._over:
            raise TransactionAborted("the transaction is over; use `tx` only inside the callback")
        try:
            return self._session.run(checked(statement))
        except DatabaseError as error:
            error.attempts = self.attempt
            self._failure = self._failure or error
            raise

    def _commit(self) -> None:
        """Commit, as the engine does after the callback; an error that it swallowed becomes the cause."""
        self._end()
        try:
            self._session.commit()
        except TransactionAborted as aborted:
            if self._failure is None:
                raise
            aborted.retryable = self._failure.retryable
            raise aborted from self._failure

    def _end(self) -> None:
        """Refuse further statements; the connection will serve somebody else."""
        self._over = True


def checked(statement: Sql) -> Sql:
    """Return the statement, if it is one made by `sql`.

    Raises:
        TypeError: it is plain text, into which somebody may have formatted a value.
    """
    if isinstance(statement, Sql):
        return statement
    raise TypeError(
        f"a statement must be made by sql(), not {type(statement).__name__}: "
        'write sql("SELECT … WHERE id = {id}", id=value), so that values are bound'
    )
