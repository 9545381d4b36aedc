"""CALL of a procedure that may COMMIT: PostgreSQL runs it outside of a transaction block only, and nothing repeats it.

Each of its transactions has a snapshot of its own, and conflicts where PostgreSQL finds one: at a statement, not at
COMMIT. Others find its commits in the log, as those of any session. It cannot be suspended or undone. If it waits for a
released subtransaction, it can only be cancelled (`unblock`), so the transactions of others are suspended before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.answers import Finding, hinted, real, refused, succeeded
from local_dsql.engine.errors import (
    CONFLICT,
    INVALID_TERMINATION,
    is_interruption,
    is_raised,
    is_serialization_failure,
)
from local_dsql.engine.unblock import ask_unblocked, suspend_idle
from local_dsql.wire import messages

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.engine.answers import Answer
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession

_HINT = "Run the CALL alone: outside of a transaction block, and not in a pipeline with other statements."
_IN_TRANSACTION = "invalid transaction termination"
"""PostgreSQL's text where a transaction that must not end here is open."""


async def call_alone(held: HeldSession, request: Request) -> Answer | None:
    """Run a CALL outside of a transaction block, and return its answer. None: its procedure ends no transaction."""
    services, statement = held.services, request.statement
    if statement is None or not statement.calls_procedure:
        return None
    if statement.functions.isdisjoint(await services.catalog.committing_procedures(held)):
        return None
    await suspend_idle(held)
    services.commits.begin()
    try:
        (answer,) = await ask_unblocked(held, request.data, bulk=True)
    finally:
        services.finish_commit(held.backend)
    if (error := answer.error) is None:
        return succeeded(answer)
    if is_serialization_failure(error) or is_interruption(error):
        return refused(CONFLICT, messages.IDLE)
    return real(answer, Finding.AUTOCOMMIT)


def with_hint(statement: Statement | None, answer: Answer) -> Answer:
    """Return the error of a statement in an open transaction; that of a CALL which ends it has a hint."""
    error = answer.error
    if statement is None or not statement.calls_procedure or error is None or is_raised(error):
        return answer
    if error["C"] != INVALID_TERMINATION or error["M"] != _IN_TRANSACTION:
        return answer
    return hinted(answer, _HINT)
