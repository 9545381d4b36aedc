"""The journal: one row a migration, saying how far it got.

DDL and the row that records it cannot share a transaction on DSQL. So the row says `started` before the
statement is sent and moves on after its answer; a run that finds `started` looks into the catalog for the
effect. Rows changed by a migration and its journal row do share one, so there the row alone tells the truth.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.errors import FeatureNotSupported

from . import tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from blocks_runtime import Sql
    from blocks_runtime.database.results import Row
    from blocks_runtime.database.session import Session

    from .admin import Admin
    from .lease import Lease
    from .manifest import Migration
    from .tables import Reader


class State(enum.Enum):
    """How far a migration got; `statement` in its row counts the statements that are done."""

    PENDING = "pending"
    """The statements before `statement` are done, the one at `statement` has not been sent."""
    STARTED = "started"
    """The one at `statement` was sent, and its effect has not been recorded."""
    FAILED = "failed"
    """The one at `statement` was refused and had no effect; it may be corrected in the file."""
    APPLIED = "applied"
    """All of it is done, for good."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal says of one migration.

    `statement` counts the statements that are done, `job` is the id of an asynchronous job that was begun,
    `rows` counts the rows changed so far, `by` names the run that wrote last.
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
        """True once all of it is done."""
        return self.state is State.APPLIED

    @property
    def correctable(self) -> bool:
        """True while nothing of it has taken effect, so that its file may still be corrected."""
        return self.state in (State.FAILED, State.PENDING) and self.statement == 0


READ = sql(
    "SELECT version, name, checksum, statement, state, job, applied_by, rows_changed, started_at, applied_at "
    "FROM public._migrations ORDER BY version"
)


def read(reader: Reader) -> tuple[Entry, ...]:
    """Return the whole journal in the order of versions."""
    return tuple(_entry(row) for row in reader.read(READ))


def read_if_there(reader: Reader) -> tuple[Entry, ...]:
    """Return the journal, or nothing of a database that was never migrated."""
    return () if tables.JOURNAL in tables.missing(reader) else read(reader)


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


class Overtaken(Exception):
    """The row is not where the writer believed; somebody, perhaps the writer itself, moved it on."""


class Journal:
    """Writes the journal in the name of the holder of a lease, and of the run `by`.

    `at_once` says that the cluster is believed to do in one statement what takes a transaction of two otherwise.
    """

    def __init__(self, lease: Lease, by: str, *, at_once: bool = True) -> None:
        self.lease = lease
        self.by = by
        self._at_once = at_once

    def record(self, session: Session, *moves: tuple[Migration, Move]) -> None:
        """Write how far migrations got, in the transaction that `session` has open, with what it changed for them.

        Raises:
            Overtaken: a row had not the statement that its move starts from.
            MigrationProblem: the lease was lost.
        """
        self.lease.fence(session)
        if session.run(recording(moves, self.by)).rowcount != len(moves):
            raise Overtaken

    def advance(self, admin: Admin, moves: Sequence[tuple[Migration, Move]]) -> None:
        """Write how far migrations got, in a transaction that does nothing else.

        One statement can do it where FOR UPDATE takes a join, as DSQL does since 2026-08-24. A cluster that refuses
        that once is told in a transaction of two from then on.

        Raises:
            Overtaken: a row had not the statement that its move starts from.
            CommitOutcomeUnknown: no answer came.
            MigrationProblem: the lease was lost.
        """
        if self._at_once:
            try:
                changed = admin.change(advancing(self.lease.token, moves, self.by))
            except FeatureNotSupported:
                self._at_once = False
            else:
                if changed != len(moves):
                    admin.write(self.lease.fence)  # tells a lost lease from a row that moved
                    raise Overtaken
                return
        admin.write(lambda session: self.record(session, *moves))

    def note_job(self, session: Session, migration: Migration, job: str) -> None:
        """Keep the id of the asynchronous job that the current statement began."""
        self.lease.fence(session)
        session.run(noting_job(migration, job))


@dataclass(frozen=True, slots=True)
class Move:
    """A migration with `done` statements done gets to `now` done, in `state`, with `rows` more changed."""

    done: int
    now: int
    state: State
    rows: int = 0

    def then(self, later: Move) -> Move:
        """Return the move that comes to the same as this one and a later one of the same migration."""
        return Move(self.done, later.now, later.state, self.rows + later.rows)


def recording(moves: Sequence[tuple[Migration, Move]], by: str) -> Sql:
    """Return the statement that writes rows of different migrations, each only where its move starts."""
    return _inserting(sql("VALUES {rows}", rows=sql.join(", ", [_row(*each, by) for each in moves])), moves)


def advancing(token: int, moves: Sequence[tuple[Migration, Move]], by: str) -> Sql:
    """Return the statement that does the same while the lease has this token, and lets nobody change that."""
    rows = sql(
        """\
SELECT move.* FROM public._migrations_lock AS lease CROSS JOIN (VALUES {rows}) AS move
WHERE lease.id = 1 AND lease.token = {token} FOR UPDATE OF lease""",
        rows=sql.join(", ", [_row(*each, by) for each in moves]),
        token=token,
    )
    return _inserting(rows, moves)


def _inserting(rows: Sql, moves: Sequence[tuple[Migration, Move]]) -> Sql:
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
        starts=sql.join(" OR ", [_start(migration, move) for migration, move in moves]),
    )


def _row(migration: Migration, move: Move, by: str) -> Sql:
    return sql(
        "({version}, {name}, {checksum}, {now}, {state}, {rows}, now(), {applied_at}::timestamptz, {by})",
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        now=move.now,
        state=move.state.value,
        rows=move.rows,
        applied_at=sql("now()" if move.state is State.APPLIED else "NULL"),
        by=by,
    )


def _start(migration: Migration, move: Move) -> Sql:
    return sql(
        "journal.version = {version} AND journal.statement = {done}",
        version=migration.version,
        done=move.done,
    )


def noting_job(migration: Migration, job: str) -> Sql:
    """Return the statement that keeps the id of an asynchronous job."""
    return sql(
        "UPDATE public._migrations SET job = {job} WHERE version = {version}",
        job=job,
        version=migration.version,
    )


def settling(migration: Migration, state: State, done: int, by: str) -> Sql:
    """Return the statement that writes a migration's row whatever it said before."""
    return sql(
        """\
INSERT INTO public._migrations
    (version, name, checksum, statement, state, rows_changed, started_at, applied_at, applied_by)
VALUES ({version}, {name}, {checksum}, {done}, {state}, 0, now(), {applied_at}, {by})
ON CONFLICT (version) DO UPDATE SET
    name = excluded.name, checksum = excluded.checksum, statement = excluded.statement, state =
    excluded.state, job = NULL, applied_at = excluded.applied_at, applied_by = excluded.applied_by""",
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        done=done,
        state=state.value,
        applied_at=sql("now()" if state is State.APPLIED else "NULL"),
        by=by,
    )


def forgetting(version: int) -> Sql:
    """Return the statement that deletes a migration's row."""
    return sql("DELETE FROM public._migrations WHERE version = {version}", version=version)
