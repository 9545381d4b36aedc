"""Count the rows that a statement has changed, for the row limit of a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.suspend import tables_of
from local_dsql.write_ahead_log.operations import OperationKind

if TYPE_CHECKING:
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.wire.response import Response

_TAGS = ("INSERT", "UPDATE", "DELETE", "COPY", "MERGE")
CHANGING = (OperationKind.INSERT, OperationKind.UPDATE, OperationKind.DELETE)


async def count_rows(held: HeldSession, request: Request, answer: Response) -> bool:
    """Add the changes of a statement that has just succeeded to `Transaction.rows`; return whether the log was read.

    The command tag has the number if the statement is one write, and nothing beside it can write: no foreign key with
    an action, and no function of a client that it may call. Otherwise the log is read, except for a doomed transaction.
    """
    transaction = held.transaction
    if request.is_ddl:
        return False
    if tag_is_exact(request, answer) and not await held.services.catalog.writes_beside(
        held, request.statement, keep=held.sees_current_catalog
    ):
        rows = rows_of_tag(answer)
        transaction.rows += rows
        transaction.uncounted += rows
        return False
    if transaction.doomed is not None:
        return False  # the log also has the rows of a rebase
    own = await held.services.log.operations(held.backend.pid)
    recent = [each for each in own.since(transaction.checked).operations if each.kind in CHANGING]
    # Not those of the net changes: rows that a body has made and deleted again count, too.
    files = await tables_of(held, {each.file for each in recent})
    transaction.rows += max(0, sum(each.file in files for each in recent) - transaction.uncounted)
    return True


def changes_nothing(held: HeldSession, request: Request) -> bool:
    """Return whether a statement changes no rows: a read, in a database where a read calls nothing that writes."""
    statement = request.statement
    return (
        held.services.catalog.is_known_to_write_nothing_beside
        and statement is not None
        and not (statement.is_dml or statement.is_ddl or request.continues)
        and not held.transaction.changes_catalog
    )


def rows_of_tag(answer: Response) -> int:
    """Return the number in the command tag of a write."""
    words = [tag.split() for tag in answer.tags]
    return sum(int(each[-1]) for each in words if each[0] in _TAGS)


def tag_is_exact(request: Request, answer: Response) -> bool:
    """Return whether the tag counts all rows that the statement itself changes."""
    statement = request.statement
    if statement is None:
        return True
    if request.continues or not answer.tags:
        return not statement.is_dml
    if not statement.is_dml:
        return True
    return statement.tag_counts_rows
