"""Submission of a job, inside the client's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.jobs.identifier import new_job_id
from local_dsql.occ.effects import made_by
from local_dsql.occ.privilege import privileged_rows
from local_dsql.occ.waiting import ask
from local_dsql.wire import messages
from local_dsql.wire.response import BackendError, Response
from local_dsql.wire.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import Statement
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant

PG_CLASS, PG_CONSTRAINT = 1259, 2606
_VIOLATIONS = ("23503", "23514")

Rows = list[list[str | None]]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted job: its id (None: nothing to do), notices, command tag, and a function that submits it again."""

    job_id: str | None
    notices: bytes
    tag: str
    redo: Callable[[], Awaitable[None]]


async def submit(
    engine: Engine,
    session: Participant,
    statement: Statement,
    wake: Callable[[], None],
    job_id: str | None = None,
) -> Submitted:
    """Run the part of the statement that runs at once, and insert the job, which the worker runs after COMMIT.

    `wake` is called after COMMIT. The engine's mutex and the backend's lock must be held.

    Raises:
        BackendError: PostgreSQL refuses the statement.
    """
    transaction = session.transaction
    assert transaction is not None
    job_id = job_id or new_job_id()
    if statement.async_job == "index":
        answer, rows = await _begin_index(engine, session, statement, job_id)
    else:
        answer, rows = await _begin_validation(engine, session, statement, job_id)
    if rows:
        transaction.on_commit.append(wake)

    async def redo() -> None:
        await submit(engine, session, statement, wake, job_id)

    notices = b"".join(raw for kind, raw in answer.frames if kind == b"N")
    return Submitted(job_id if rows else None, notices, answer.tags[0], redo)


async def _begin_index(
    engine: Engine, session: Participant, statement: Statement, job_id: str
) -> tuple[Response, Rows]:
    """Create the index as not valid, and the index entry as unique if requested, so that it refuses new duplicates.

    PostgreSQL fills the index in this statement; the job looks for existing duplicates and marks the index valid
    (divergence `index-filled-by-statement`).
    """
    transaction = session.transaction
    assert transaction is not None
    sql = statement.without_unique()
    unique = sql != statement.backend_sql
    answer = await _run(engine, session, sql)
    made = made_by(transaction.snapshot_end).replace("xmin", "c.xmin")
    rows = await privileged_rows(
        session,
        "SET LOCAL allow_system_table_mods = on;"
        f" WITH fresh AS (UPDATE pg_catalog.pg_index i SET indisvalid = false, indisunique = {unique}"
        f" FROM pg_catalog.pg_class c WHERE c.oid = i.indexrelid AND c.relkind = 'i' AND {made} RETURNING c.oid)"
        " INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name)"
        f" SELECT {literal(job_id)}, 'INDEX_BUILD', {PG_CLASS}, c.oid, pg_catalog.format('%s.%s', n.nspname, c.relname)"
        " FROM fresh JOIN pg_catalog.pg_class c ON c.oid = fresh.oid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace RETURNING job_id;"
        " SET LOCAL allow_system_table_mods = off",
    )
    return answer, rows


async def _begin_validation(
    engine: Engine, session: Participant, statement: Statement, job_id: str
) -> tuple[Response, Rows]:
    """Run the validation and roll it back: this checks that the constraint exists; the job checks the rows."""
    await session.backend.request(messages.query("SAVEPOINT local_dsql_look"))
    request = messages.query(statement.backend_sql)
    (answer,) = await ask(engine, session, request, exclusive=True)
    undo = messages.query("ROLLBACK TO SAVEPOINT local_dsql_look; RELEASE SAVEPOINT local_dsql_look")
    await session.backend.request(undo)
    fields = answer.error
    if fields is not None and fields["C"] not in _VIOLATIONS:
        raise BackendError(fields)
    if fields is not None:
        answer = Response([(b"C", messages.command_complete("ALTER TABLE"))], answer.status)
    rows = await privileged_rows(session, _note_validation(statement, job_id))
    return answer, rows


def _note_validation(statement: Statement, job_id: str) -> str:
    constraint = statement.validates
    assert constraint is not None
    name = ".".join(identifier(part) for part in (constraint.schema, constraint.table) if part)
    return (
        "INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name)"
        f" SELECT {literal(job_id)}, 'VALIDATE_CONSTRAINT', {PG_CONSTRAINT}, c.oid, c.conname"
        f" FROM pg_catalog.pg_constraint c WHERE c.conname = {literal(constraint.name)} AND NOT c.convalidated"
        f" AND c.conrelid = pg_catalog.to_regclass({literal(name)}) RETURNING job_id"
    )


async def _run(engine: Engine, session: Participant, sql: str) -> Response:
    (answer,) = await ask(engine, session, messages.query(sql), exclusive=True)
    if (fields := answer.error) is not None:
        raise BackendError(fields)
    return answer
