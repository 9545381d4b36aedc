"""Asking for a job: what happens within the transaction that asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.jobs.identifier import new_job_id
from local_dsql.occ.waiting import ask
from local_dsql.wire import messages
from local_dsql.wire.backend import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import Statement
    from local_dsql.front.session import Session


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was asked for: its id (None: there was nothing to do), notices, command tag, and how to ask again."""

    job_id: str | None
    notices: bytes
    tag: str
    redo: Callable[[], Awaitable[None]]


async def submit(session: Session, statement: Statement, job_id: str | None = None) -> Submitted:
    """Run the statement's part that runs at once, and note the job.

    The engine's mutex and the backend's turn must be held.

    Raises:
        BackendError: PostgreSQL refuses it.
    """
    transaction = session.transaction
    assert transaction is not None
    job_id = job_id or new_job_id()
    request = messages.query(statement.backend_sql)
    (answer,) = await ask(session.engine, session, request, exclusive=True)
    if (fields := answer.error) is not None:
        raise BackendError(fields)
    notices = b"".join(raw for kind, raw in answer.frames if kind == b"N")
    kind = "INDEX_BUILD" if statement.async_job == "index" else "VALIDATE_CONSTRAINT"
    rows = await session.work.privileged_rows(
        "INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name, status)"
        f" SELECT {literal(job_id)}, {literal(kind)}, 1259, c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname),"
        " 'completed' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE c.xmin::text::bigint >= {transaction.snapshot_end} AND c.relkind = 'i' RETURNING job_id"
    )

    async def redo() -> None:
        await submit(session, statement, job_id)

    return Submitted(job_id if rows else None, notices, answer.tags[0], redo)
