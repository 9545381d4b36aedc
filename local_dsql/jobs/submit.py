"""Asking for a job: what happens within the transaction that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.jobs.identifier import new_job_id
from local_dsql.wire.backend import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.front.session import Session


async def submit(session: Session, statement: Statement) -> tuple[str | None, bytes, str]:
    """Run the statement; return the job's id (None: nothing to do), the notices, and the command tag.

    Raises:
        BackendError: PostgreSQL refuses it.
    """
    answer = await session.work.run_ddl(statement.backend_sql)
    if (fields := answer.error) is not None:
        raise BackendError(fields)
    notices = b"".join(raw for kind, raw in answer.frames if kind == b"N")
    job_id = new_job_id()
    kind = "INDEX_BUILD" if statement.async_job == "index" else "VALIDATE_CONSTRAINT"
    rows = await session.work.privileged_rows(
        "INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name, status)"
        f" SELECT {literal(job_id)}, {literal(kind)}, 1259, c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname),"
        " 'completed' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.xmin::text::bigint >= "
        f"{session.transaction.snapshot_end} AND c.relkind = 'i' RETURNING job_id"
    )
    return (job_id if rows else None), notices, answer.tags[0]
