"""Waiting for asynchronous jobs of DSQL: index builds and the validation of constraints.

A job's row in `sys.jobs` is removed 30 minutes after its end, so the catalog decides: an index is ready when it is
valid. Source: AWS user guide, "Creating asynchronous indexes"; recorded 2026-09, eu-central-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql

from . import probes

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from migration_manifest import Probe

    from .admin import AdminConnection
    from .lease import Lease

_ENDED_BADLY = ("failed", "cancelled")
_FIRST_POLL, _LONGEST_POLL = 0.1, 5.0
_POLLS_WITHOUT_JOB = 5


class JobFailed(Exception):
    """The job ended and its object is not valid; the argument is DSQL's reason."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The queries to poll: one for the validity of the object, one for the row of the job."""

    valid: Sql
    job: Sql


def index(probe: Probe, job: str | None) -> Awaited:
    """Return the queries after CREATE INDEX ASYNC; `job` is its id, if known."""
    valid = sql(
        "SELECT EXISTS (SELECT 1 FROM pg_index i WHERE i.indexrelid = ({oid}) AND i.indisvalid) AS present",
        oid=_index_oid(probe),
    )
    return Awaited(valid, _job_row(job, _index_oid(probe), "INDEX_BUILD"))


def validation(probe: Probe, job: str | None) -> Awaited:
    """Return the queries after ALTER TABLE ASYNC … VALIDATE CONSTRAINT."""
    valid = probes.presence(probe)
    if valid is None:
        raise ValueError(f"no constraint to look up: {probe}")
    return Awaited(valid, _job_row(job, _constraint_oid(probe), "VALIDATE_CONSTRAINT"))


def wait(admin: AdminConnection, lease: Lease, awaited: Awaited) -> None:
    """Poll until the object is valid.

    Raises:
        JobFailed: the job failed, or there is no job and the object stays invalid.
        OutOfTime: the deadline passed; another invocation may continue.
    """
    pause, without_job = _FIRST_POLL, 0
    while True:
        jobs = admin.read(awaited.job)
        if admin.read(awaited.valid)[0]["present"]:
            return
        without_job = 0 if jobs else without_job + 1
        if jobs and jobs[0]["status"] in _ENDED_BADLY:
            raise JobFailed(jobs[0]["details"] or f"its job {jobs[0]['status']}")
        if without_job == _POLLS_WITHOUT_JOB:
            raise JobFailed("it is invalid, and has no running job")
        lease.renew_if_due(admin)
        admin.deadline.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_POLL)


def _job_row(job: str | None, oid: Sql, kind: str) -> Sql:
    """Return the query for a job's row.

    Without its id it is the newest job on the object, or else one of its kind that has not ended: the object that DSQL
    names in a job's row has been recorded for few kinds only, and a running job must not be missed.
    """
    if job is not None:
        return sql("SELECT status, details FROM sys.jobs WHERE job_id = {job}", job=job)
    return sql(
        "SELECT status, details FROM sys.jobs WHERE object_id::text = ({oid})::text "
        "OR (job_type = {kind} AND status IN ('submitted', 'processing')) "
        "ORDER BY object_id::text = ({oid})::text DESC, start_time DESC LIMIT 1",
        oid=oid,
        kind=kind,
    )


def _index_oid(probe: Probe) -> Sql:
    return sql(
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = {schema} AND c.relname = {name}",
        schema=probe["schema"],
        name=probe["name"],
    )


def _constraint_oid(probe: Probe) -> Sql:
    return sql(
        "SELECT k.oid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = {schema} AND c.relname = {table} AND k.conname = {name}",
        schema=probe["schema"],
        table=probe["table"],
        name=probe["name"],
    )
