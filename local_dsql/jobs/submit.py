"""Submit a job: the part that runs within the transaction that asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.engine.commands import first_error
from local_dsql.engine.execute import ensure_active, execute, try_out
from local_dsql.engine.powers import record_index_job, record_validation_job
from local_dsql.engine.requests import Request
from local_dsql.engine.unblock import run_unblocked
from local_dsql.jobs.identifier import new_job_id
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import BackendError, Response
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsql_dialect import Statement
    from local_dsql.engine.commands import Command
    from local_dsql.engine.session import HeldSession

    JobCommitted = Callable[[str, int], None]
    """Called with the id of a job and the process number of the session that asked for it, once it is committed."""

_VIOLATIONS = ("23503", "23514")


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted job: its id (None: nothing to do), notices, and command tag."""

    job_id: str | None
    notices: bytes
    tag: str


async def submit(held: HeldSession, statement: Statement, codec: str, committed: JobCommitted) -> Submitted:
    """Run the part that runs at once, and record the job, which begins after COMMIT; `committed` is called then.

    Args:
        held: a session whose transaction is active.
        statement: the asynchronous statement.
        codec: Python's name of the client's encoding.
        committed: called once the job is committed.

    Raises:
        BackendError: PostgreSQL refuses the statement.
    """
    job_id = new_job_id()
    prepare = _create_index if statement.async_job == "index" else _try_validation
    response, record = await prepare(held, statement, codec, job_id)
    recorded = await write_record(held, record)
    if recorded:
        held.transaction.on_commit.append(lambda: committed(job_id, held.backend.pid))
    notices = b"".join(raw for kind, raw in response.frames if kind == BackendMessage.NOTICE_RESPONSE)
    return Submitted(job_id if recorded else None, notices, response.tags[0])


async def write_record(held: HeldSession, record: Command) -> bool:
    """Run a command that writes into a table of the proxy, now and whenever the transaction is resumed.

    Returns:
        The truth value that it returns.

    Raises:
        BackendError: it failed.
    """
    if (refusal := await ensure_active(held)) is not None:
        raise BackendError(messages.read_fields(refusal.encode()))
    found = await run_unblocked(held, [record])
    if (error := first_error(found)) is not None:
        raise BackendError(error)
    held.transaction.replay.append(record)
    return found[0].is_true


async def _create_index(
    held: HeldSession, statement: Statement, codec: str, job_id: str
) -> tuple[Response, Command]:
    """Create the index, not unique and not valid yet; if it is to be unique, it refuses new duplicates from now on.

    PostgreSQL fills it here, in the statement; the job finds duplicates that already existed and declares the index
    valid (divergence `index-filled-by-statement`).
    """
    sql = statement.without_unique()
    response = await execute(held, _request(statement, sql, codec))
    _check(response)
    unique = sql != statement.backend_sql
    return response, record_index_job(held.services.token, job_id, unique)


async def _try_validation(
    held: HeldSession, statement: Statement, codec: str, job_id: str
) -> tuple[Response, Command]:
    """Try the validation and undo it: whether the constraint exists is checked here, the rows by the job."""
    response = await try_out(held, _request(statement, statement.backend_sql, codec))
    if (fields := response.error) is not None:
        if fields["C"] not in _VIOLATIONS:
            raise BackendError(fields)
        complete = (BackendMessage.COMMAND_COMPLETE, messages.command_complete("ALTER TABLE"))
        response = Response([complete], response.status)
    held.transaction.rules = held.transaction.rules.after(statement)
    constraint = statement.validates
    assert constraint is not None
    table = ".".join(identifier(part) for part in (constraint.schema, constraint.table) if part)
    return response, record_validation_job(held.services.token, job_id, table, constraint.name)


def _request(statement: Statement, sql: str, codec: str) -> Request:
    return Request(messages.query(sql, codec), simple=True, statement=statement)


def _check(response: Response) -> None:
    if (fields := response.error) is not None:
        raise BackendError(fields)
