"""The journal: one row for each migration with its progress.

DDL and the row that records it cannot share a transaction on DSQL. So the row is set to `started` before the
statement is sent and updated after the reply; a run that finds `started` looks the effect up in the catalog. DML and
its journal row do share a transaction, so the row alone is reliable there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.errors import FeatureNotSupported
from migration_manifest import JOURNAL

from . import tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from blocks_runtime import Sql
    from blocks_runtime.database.results import Row
    from blocks_runtime.database.session import Session
    from migration_manifest import Migration

    from .admin import AdminConnection
    from .lease import Lease
    from .tables import Reader


class State(enum.Enum):
    """State of a migration; `statement` in its row is the number of completed statements."""

    PENDING = "pending"
    """The statements before `statement` are done, the one at `statement` has not been sent."""
    STARTED = "started"
    """The statement at `statement` was sent, and its effect has not been recorded."""
    FAILED = "failed"
    """The statement at `statement` was refused and had no effect; it may be corrected in the file."""
    APPLIED = "applied"
    """All statements are done."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Journal row of one migration.

    `statement` is the number of completed statements, `job` the id of the asynchronous job that was started, `rows` the
    number of rows changed so far, `by` the run that wrote last.
    """

    version: int
    name: str
    checksum: str
    statement: int
    state: State
    job: str | None = None
    by: str = ""
    rows: int = 0
    started_at: datetime | None = None
    applied_at: datetime | None = None

    @property
    def applied(self) -> bool:
        """True once all statements are done."""
        return self.state is State.APPLIED

    @property
    def correctable(self) -> bool:
        """True while nothing of the migration is committed: no statement, and no run of a batch.

        The file may be corrected then, or replaced.
        """
        return self.state in (State.FAILED, State.PENDING) and self.statement == 0 and self.rows == 0


READ = sql(
    "SELECT version, name, checksum, statement, state, job, applied_by, rows_changed, started_at, applied_at "
    "FROM public._migrations ORDER BY version"
)


def read(reader: Reader) -> tuple[Entry, ...]:
    """Return the journal in the order of versions."""
    return tuple(_entry(row) for row in reader.read(READ))


def read_or_empty(reader: Reader) -> tuple[Entry, ...]:
    """Return the journal, empty for a database that was never migrated."""
    return () if JOURNAL in tables.missing(reader) else read(reader)


def _entry(row: Row) -> Entry:
    return Entry(
        version=row["version"],
        name=row["name"],
        checksum=row["checksum"],
        statement=row["statement"],
        state=State(row["state"]),
        job=row["job"],
        by=row["applied_by"],
        rows=row["rows_changed"],
        started_at=row["started_at"],
        applied_at=row["applied_at"],
    )


class StaleJournalRow(Exception):
    """The journal row changed since it was read, perhaps by this run itself."""


class Journal:
    """Writes the journal for the holder of a lease and the run `by`.

    `single_statement` says that the cluster is assumed to accept an update in one statement instead of a transaction of
    two.
    """

    def __init__(self, lease: Lease, by: str, *, single_statement: bool = True) -> None:
        self.lease = lease
        self.by = by
        self._single_statement = single_statement

    def record(self, session: Session, *updates: tuple[Migration, JournalUpdate]) -> None:
        """Write updates in the open transaction of `session`, together with the rows that it changed for them.

        Raises:
            StaleJournalRow: a row did not have `done_before` completed statements.
            MigrationFailedError: the lease was lost.
        """
        self.lease.fence(session)
        if session.run(record_statement(updates, self.by)).count != len(updates):
            raise StaleJournalRow

    def advance(self, admin: AdminConnection, updates: Sequence[tuple[Migration, JournalUpdate]]) -> None:
        """Write updates in a transaction of their own.

        One statement is enough if FOR UPDATE accepts a join, as DSQL does since 2026-08-24. After one refusal a
        transaction of two statements is used.

        Raises:
            StaleJournalRow: a row did not have `done_before` completed statements.
            CommitOutcomeUnknown: no reply arrived.
            MigrationFailedError: the lease was lost.
        """
        if self._single_statement:
            try:
                changed = admin.change(advance_statement(self.lease.token, updates, self.by))
            except FeatureNotSupported:
                self._single_statement = False
            else:
                if changed != len(updates):
                    admin.write(
                        self.lease.fence
                    )  # raises if the lease was lost; otherwise the row had changed
                    raise StaleJournalRow
                return
        admin.write(lambda session: self.record(session, *updates))

    def store_job(self, session: Session, migration: Migration, job: str) -> None:
        """Store the id of the asynchronous job that the current statement started."""
        self.lease.fence(session)
        session.run(store_job_statement(migration, job))


@dataclass(frozen=True, slots=True)
class JournalUpdate:
    """Change of a migration's row: its completed statements before and after, its state, and `rows` more changed."""

    done_before: int
    done_after: int
    state: State
    rows: int = 0

    def then(self, later: JournalUpdate) -> JournalUpdate:
        """Return the update that combines this one and a later one of the same migration."""
        return JournalUpdate(self.done_before, later.done_after, later.state, self.rows + later.rows)


def record_statement(updates: Sequence[tuple[Migration, JournalUpdate]], by: str) -> Sql:
    """Return the statement that writes rows of different migrations, each only if `done_before` matches."""
    return _inserting(
        sql("VALUES {rows}", rows=sql.join(", ", [_row(*each, by) for each in updates])), updates
    )


def advance_statement(token: int, updates: Sequence[tuple[Migration, JournalUpdate]], by: str) -> Sql:
    """Return the statement that does the same if the lease has this token, and locks the lease."""
    rows = sql(
        """\
SELECT move.* FROM public._migrations_lock AS lease CROSS JOIN (VALUES {rows}) AS move
WHERE lease.id = 1 AND lease.token = {token} FOR UPDATE OF lease""",
        rows=sql.join(", ", [_row(*each, by) for each in updates]),
        token=token,
    )
    return _inserting(rows, updates)


def _inserting(rows: Sql, updates: Sequence[tuple[Migration, JournalUpdate]]) -> Sql:
    return sql(
        """\
INSERT INTO public._migrations AS journal
    (version, name, checksum, statement, state, rows_changed, started_at, applied_at, applied_by)
{rows}
ON CONFLICT (version) DO UPDATE SET
    name = excluded.name, checksum = excluded.checksum, statement = excluded.statement, state =
    excluded.state, job = NULL, rows_changed = journal.rows_changed + excluded.rows_changed, applied_at =
    excluded.applied_at, applied_by = excluded.applied_by
WHERE journal.state <> 'applied' AND ({starts})""",
        rows=rows,
        starts=sql.join(" OR ", [_start(migration, update) for migration, update in updates]),
    )


def _row(migration: Migration, update: JournalUpdate, by: str) -> Sql:
    return sql(
        "({version}, {name}, {checksum}, {done_after}, {state}, {rows}, now(), {applied_at}::timestamptz, {by})",
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        done_after=update.done_after,
        state=update.state.value,
        rows=update.rows,
        applied_at=sql("now()" if update.state is State.APPLIED else "NULL"),
        by=by,
    )


def _start(migration: Migration, update: JournalUpdate) -> Sql:
    return sql(
        "journal.version = {version} AND journal.statement = {done_before}",
        version=migration.version,
        done_before=update.done_before,
    )


def store_job_statement(migration: Migration, job: str) -> Sql:
    """Return the statement that stores the id of an asynchronous job."""
    return sql(
        "UPDATE public._migrations SET job = {job} WHERE version = {version}",
        job=job,
        version=migration.version,
    )


def overwrite_statement(migration: Migration, state: State, done: int, by: str) -> Sql:
    """Return the statement that overwrites a migration's row; one that is pending has changed no rows."""
    return sql(
        """\
INSERT INTO public._migrations AS journal
    (version, name, checksum, statement, state, rows_changed, started_at, applied_at, applied_by)
VALUES ({version}, {name}, {checksum}, {done}, {state}, 0, now(), {applied_at}, {by})
ON CONFLICT (version) DO UPDATE SET
    name = excluded.name, checksum = excluded.checksum, statement = excluded.statement, state =
    excluded.state, job = NULL, rows_changed = {rows}, applied_at = excluded.applied_at, applied_by =
    excluded.applied_by""",
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        done=done,
        state=state.value,
        rows=sql("0" if state is State.PENDING else "journal.rows_changed"),
        applied_at=sql("now()" if state is State.APPLIED else "NULL"),
        by=by,
    )


def delete_statement(version: int) -> Sql:
    """Return the statement that deletes a migration's row."""
    return sql("DELETE FROM public._migrations WHERE version = {version}", version=version)
