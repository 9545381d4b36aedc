"""Submit a job: what runs within the transaction that asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from local_dsql.jobs.identifier import new_job_id
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import BackendError, Response
from local_dsql.wire.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from dsql_dialect import Statement

PG_CLASS, PG_CONSTRAINT = 1259, 2606
_VIOLATIONS = ("23503", "23514")

Rows = list[list[str | None]]


class SubmittingTransaction(Protocol):
    """The client's open transaction, whose backend is locked for DDL."""

    async def run_ddl(self, sql: str) -> Response:
        """Run a DDL statement without lock waits; the response may be an error."""

    async def privileged_rows(self, sql: str) -> Rows:
        """Run a statement as superuser and return its rows."""

    def trial(self) -> AbstractAsyncContextManager[None]:
        """Return a context manager that undoes what its block does in PostgreSQL."""

    def created_by_transaction(self, column: str) -> str:
        """Return an SQL condition: the row version with this xmin column was written by the transaction."""

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call a function once the transaction has committed."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted job: its id (None: nothing to do), notices, command tag, and the function that submits it again."""

    job_id: str | None
    notices: bytes
    tag: str
    repeat: Callable[[], Awaitable[None]]


async def submit(
    transaction: SubmittingTransaction,
    statement: Statement,
    wake: Callable[[], None],
    job_id: str | None = None,
) -> Submitted:
    """Run the part that runs at once, and record the job, which begins after COMMIT; `wake` is called then.

    Raises:
        BackendError: PostgreSQL refuses the statement.
    """
    job_id = job_id or new_job_id()
    if statement.async_job == "index":
        response, rows = await _begin_index(transaction, statement, job_id)
    else:
        response, rows = await _begin_validation(transaction, statement, job_id)
    if rows:
        transaction.on_commit(wake)

    async def repeat() -> None:
        await submit(transaction, statement, wake, job_id)

    notices = b"".join(raw for kind, raw in response.frames if kind == BackendMessage.NOTICE_RESPONSE)
    return Submitted(job_id if rows else None, notices, response.tags[0], repeat)


async def _begin_index(
    transaction: SubmittingTransaction, statement: Statement, job_id: str
) -> tuple[Response, Rows]:
    """Create the index, not unique and not valid yet; if it is to be unique, it refuses new duplicates from now on.

    PostgreSQL fills it here, in the statement; the job finds duplicates that already existed and declares the index
    valid (divergence `index-filled-by-statement`).
    """
    sql = statement.without_unique()
    unique = sql != statement.backend_sql
    response = await _run(transaction, sql)
    created = transaction.created_by_transaction("c.xmin")
    rows = await transaction.privileged_rows(
        "SET LOCAL allow_system_table_mods = on;"
        f" WITH fresh AS (UPDATE pg_catalog.pg_index i SET indisvalid = false, indisunique = {unique}"
        f" FROM pg_catalog.pg_class c WHERE c.oid = i.indexrelid AND c.relkind = 'i' AND {created} RETURNING c.oid)"
        " INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name)"
        f" SELECT {literal(job_id)}, 'INDEX_BUILD', {PG_CLASS}, c.oid, pg_catalog.format('%s.%s', n.nspname, c.relname)"
        " FROM fresh JOIN pg_catalog.pg_class c ON c.oid = fresh.oid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace RETURNING job_id;"
        " SET LOCAL allow_system_table_mods = off"
    )
    return response, rows


async def _begin_validation(
    transaction: SubmittingTransaction, statement: Statement, job_id: str
) -> tuple[Response, Rows]:
    """Try the validation and undo it: whether the constraint exists is checked here, the rows by the job."""
    async with transaction.trial():
        response = await transaction.run_ddl(statement.backend_sql)
    fields = response.error
    if fields is not None and fields["C"] not in _VIOLATIONS:
        raise BackendError(fields)
    if fields is not None:
        complete = (BackendMessage.COMMAND_COMPLETE, messages.command_complete("ALTER TABLE"))
        response = Response([complete], response.status)
    rows = await transaction.privileged_rows(_record_validation(statement, job_id))
    return response, rows


def _record_validation(statement: Statement, job_id: str) -> str:
    constraint = statement.validates
    assert constraint is not None
    name = ".".join(identifier(part) for part in (constraint.schema, constraint.table) if part)
    return (
        "INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name)"
        f" SELECT {literal(job_id)}, 'VALIDATE_CONSTRAINT', {PG_CONSTRAINT}, c.oid, c.conname"
        f" FROM pg_catalog.pg_constraint c WHERE c.conname = {literal(constraint.name)} AND NOT c.convalidated"
        f" AND c.conrelid = pg_catalog.to_regclass({literal(name)}) RETURNING job_id"
    )


async def _run(transaction: SubmittingTransaction, sql: str) -> Response:
    response = await transaction.run_ddl(sql)
    if (fields := response.error) is not None:
        raise BackendError(fields)
    return response
