"""Errors that no answer of the server has: of answers that were lost, and of transactions ended by hand."""

from __future__ import annotations

from ..errors import (
    CommitOutcomeUnknown,
    ConnectionFailed,
    DeadlineExceeded,
    QueryFailed,
    ServerUnavailable,
    TransactionAborted,
)
from .read_only import only_reads

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from ..errors import DatabaseError
    from .fragments import Sql


def unknown_commit(error: DatabaseError) -> CommitOutcomeUnknown:
    """Return the error for a COMMIT whose answer `error` has lost."""
    return CommitOutcomeUnknown(
        f"the connection was lost before COMMIT was answered ({error.args[0]}); the changes may or may "
        "not be there",
        sqlstate=error.sqlstate,
    )


def without_transaction(error: DatabaseError, statement: Sql) -> DatabaseError:
    """Return what an error means for a statement that commits by itself."""
    torn = isinstance(error, ConnectionFailed) or (isinstance(error, DeadlineExceeded) and error.sent)
    if only_reads(statement) or not (torn or isinstance(error, ServerUnavailable)):
        return error
    if isinstance(error, ServerUnavailable):
        error.retryable = False
        return error
    return CommitOutcomeUnknown(
        f"the connection was lost before the statement was answered ({error.args[0]}); it may or may not "
        "have taken effect",
        sqlstate=error.sqlstate,
    )


def by_hand(command: str) -> DatabaseError:
    """Return the error for a BEGIN, COMMIT or ROLLBACK that was sent as a statement."""
    if command == "BEGIN":
        return QueryFailed(
            "BEGIN as a statement: the next one may use another connection, and would not belong to it",
            advice="pass a function to transaction(), or use transaction() in a with statement",
        )
    return TransactionAborted(
        f"{command} as a statement ended the transaction"
        + (", and what came before it is committed" if command == "COMMIT" else ""),
        advice="return from the function to commit, raise an exception to roll back",
    )
