"""Waiting for what DSQL does in the background: index builds and the validation of constraints.

A job's row in `sys.jobs` vanishes 30 minutes after its end, so the catalog has the last word: an index is
ready when it is valid. Source: AWS user guide, "Creating asynchronous indexes"; recorded 2026-09,
eu-central-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql

from . import probes

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from migration_manifest import Probe

    from .admin import Admin
    from .lease import Lease

_ENDED_BADLY = ("failed", "cancelled")
_FIRST_POLL, _LONGEST_POLL = 0.1, 5.0
_POLLS_WITHOUT_JOB = 5


class JobFailed(Exception):
    """The job ended and what it should have made is not valid; the argument is DSQL's reason."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a job makes valid: the query that says so, and the query for the job's row."""

    valid: Sql
    job: Sql


def index(probe: Probe, job: str | None) -> Awaited:
    """Return what to await after CREATE INDEX ASYNC; `job` is its id, if it is known."""
    valid = sql(
        "SELECT EXISTS (SELECT 1 FROM pg_index i WHERE i.indexrelid = ({oid}) AND i.indisvalid) AS present",
        oid=_index_oid(probe),
    )
    return Awaited(valid, _job_row(job, _index_oid(probe), "INDEX_BUILD"))


def validation(probe: Probe, job: str | None) -> Awaited:
    """Return what to await after ALTER TABLE ASYNC … VALIDATE CONSTRAINT."""
    valid = probes.presence(probe)
    if valid is None:
        raise ValueError(f"no constraint to look for: {probe}")
    return Awaited(valid, _job_row(job, _constraint_oid(probe), "VALIDATE_CONSTRAINT"))


def wait(admin: Admin, lease: Lease, awaited: Awaited) -> None:
    """Poll until it is valid.

    Raises:
        JobFailed: the job failed, or there is none and nothing became of it.
        OutOfTime: the deadline came first; another invocation may go on waiting.
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
            raise JobFailed("it is invalid, and no job works on it")
        lease.keep(admin)
        admin.deadline.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_POLL)


def _job_row(job: str | None, oid: Sql, kind: str) -> Sql:
    """Return the query for a job's row.

    Without its id, that is the newest job on the object, or else one of its kind that has not ended: which
    object DSQL names in the row of a job is recorded for few kinds, and nothing must be given up too early.
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
