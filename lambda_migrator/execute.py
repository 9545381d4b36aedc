"""Executes the steps of a plan; a crash between any two messages loses nothing and repeats nothing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeAlias

from blocks_runtime import Sql, sql
from blocks_runtime.contract import ROWS_PER_TRANSACTION
from blocks_runtime.errors import (
    ConnectionFailed,
    DatabaseError,
    TransactionRowLimitExceeded,
)

from . import jobs, probes
from .admin import OutcomeUnknown
from .correction import after_failure
from .errors import MigrationFailedError, row_words, server_words
from .journal import JournalUpdate, State
from .plan import Action
from .progress import Progress, StepUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_runtime.database.results import Row
    from blocks_runtime.database.session import Session
    from migration_manifest import Probe, Statement

    from .admin import AdminConnection
    from .journal import Journal
    from .plan import Plan, Step

_ROW_LIMIT = (
    "split the file, or put `-- blocks: batch` above a statement that changes some rows at a time, which "
    f"repeats it until it changes none; one of the {ROWS_PER_TRANSACTION:,} rows is the journal's"
)

_EXISTS = ("42P07", "42710", "42P06", "42723")
"""SQLSTATEs of an object that exists already: table or index, role or other object, schema, function."""
_BASELINE = (
    "if the database is older than its migrations, record them with `blocks baseline`, or this one with "
    "`blocks repair {name} --applied`; else "
)

_logger = logging.getLogger("lambda_migrator")

Report: TypeAlias = "Callable[[Step, float], None]"
"""Callback for each completed step, with its seconds."""


def log_step(step: Step, seconds: float) -> None:
    """Log a completed step."""
    _logger.info("%s: %s in %.0f ms", step.place, step.action.value, seconds * 1000)


def execute(plan: Plan, admin: AdminConnection, journal: Journal, report: Report = log_step) -> None:
    """Execute a plan; `report` is called for each step once it is done and recorded, with its seconds.

    Raises:
        MigrationFailedError: a statement was refused, or its effect cannot be determined.
        OutOfTime: the deadline passed; a new plan continues from there.
    """
    with Progress(admin, journal, report) as progress:
        for step in plan.steps:
            journal.lease.renew_if_due(admin)
            began = time.monotonic()
            Execution(step, admin, progress).run()
            progress.done(step, time.monotonic() - began)


class Execution:
    """Execution of one step."""

    def __init__(self, step: Step, admin: AdminConnection, progress: Progress) -> None:
        self._step = step
        self._admin = admin
        self._progress = progress
        self._journal = progress.journal
        self._at = step.first
        self._rows_changed = step.rows

    @property
    def _statement(self) -> Statement:
        return self._step.statements[0]

    def run(self) -> None:
        """Execute the step and record it."""
        work: dict[Action, Callable[[], None]] = {
            Action.DDL: self._ddl,
            Action.INDEX: self._index,
            Action.VALIDATE: self._validate,
            Action.ROWS: self._rows,
            Action.BATCH: self._batches,
        }
        work[self._step.action]()

    def _ddl(self) -> None:
        self._ensure_sent()
        self._progress.defer(StepUpdate(self._step, self._done()))

    def _index(self) -> None:
        awaited = jobs.index(self._probe(), self._started_job())
        try:
            jobs.wait(self._admin, self._journal.lease, awaited)
        except jobs.JobFailed as failure:
            self._drop_index()
            self._record(self._update(State.FAILED, self._step.first))
            raise MigrationFailedError(
                f"{self._step.place}: the index {self._probe()['name']} could not be built",
                f"DSQL says: {failure}",
                "correct the conflicting rows and migrate again; the invalid index has been dropped",
            ) from failure
        self._record(self._done())

    def _validate(self) -> None:
        awaited = jobs.validation(self._probe(), self._started_job())
        try:
            jobs.wait(self._admin, self._journal.lease, awaited)
        except jobs.JobFailed as failure:
            self._record(self._update(State.FAILED, self._step.first))
            raise MigrationFailedError(
                f"{self._step.place}: the constraint {self._probe()['name']} could not be validated",
                f"DSQL says: {failure}",
                "correct the rows that violate it and migrate again; new rows are checked already",
            ) from failure
        self._record(self._done())

    def _rows(self) -> None:
        self._progress.flush()  # in a transaction of its own, as the rows of the step count against the limit

        def work(session: Session) -> None:
            changed = 0
            for index, statement in enumerate(self._step.statements, start=self._step.first):
                self._at = index
                changed += session.run(Sql((statement.sql,))).count
            self._journal.record(session, (self._step.migration, self._done(changed)))

        self._change(work)

    def _batches(self) -> None:
        changed = 1
        self._progress.flush()

        def work(session: Session) -> None:
            nonlocal changed
            changed = session.run(Sql((self._statement.sql,))).count
            update = self._update(State.PENDING, self._step.first, changed) if changed else self._done()
            self._journal.record(session, (self._step.migration, update))

        while changed:
            self._journal.lease.renew_if_due(self._admin)
            self._change(work)
            self._rows_changed += changed

    def _ensure_sent(self) -> list[Row]:
        """Ensure that the DDL statement has taken effect once, and return its rows if it was sent now.

        If the catalog shows the effect before the statement was ever sent, something else created it and DSQL will
        refuse the statement; `started` is not recorded then, so a later run cannot read it as a success.
        """
        foreign = not self._step.started and not self._statement.repeatable and self._effect_visible() is True
        if self._step.started and self._took_effect():
            return []
        if not self._step.started and not foreign:
            self._record(self._update(State.STARTED, self._step.first))
        unanswered = 0
        while True:
            self._journal.lease.renew_if_due(self._admin)
            try:
                return self._admin.ddl(Sql((self._statement.sql,)))
            except OutcomeUnknown:
                unanswered += 1
                self._admin.back_off(unanswered)
                if not foreign and self._took_effect():
                    return []
            except DatabaseError as error:
                if unanswered and not foreign and self._took_effect():  # the one without a reply took effect
                    return []
                raise self._refused(error) from error

    def _started_job(self) -> str | None:
        rows = self._ensure_sent()
        if not rows:
            return self._step.job
        job = str(rows[0]["job_id"])
        self._write(lambda session: self._journal.store_job(session, self._step.migration, job))
        return job

    def _effect_visible(self) -> bool | None:
        """Return whether the catalog shows the effect of the statement; None if it cannot show it."""
        probe = self._statement.probe
        question = None if probe is None else probes.presence(probe)
        if probe is None or question is None:
            return None
        present: bool = self._admin.read(question)[0]["present"]
        return present is probes.expected(probe)

    def _took_effect(self) -> bool:
        """Return whether the statement, which was sent, took effect; False for a repeatable one if unknown.

        Raises:
            MigrationFailedError: the catalog does not show it.
        """
        effect = self._effect_visible()
        if effect is not None:
            return effect
        if self._statement.repeatable:
            return False
        raise MigrationFailedError(
            f"{self._step.place}: it is unknown whether this statement took effect",
            "it was sent, the reply was lost, and the catalog does not show its effect",
            f"check the database, then run `blocks repair {self._step.migration.name} --applied` or `--pending`",
        )

    def _change(self, work: Callable[[Session], None]) -> None:
        """Run a transaction with statements of the migration."""
        try:
            self._write(work)
        except DatabaseError as error:
            raise self._refused(error) from error

    def _drop_index(self) -> None:
        probe = self._probe()
        dropping = sql(
            "DROP INDEX IF EXISTS {name}", name=sql.identifier(str(probe["schema"]), str(probe["name"]))
        )
        unanswered = 0
        while True:
            self._journal.lease.renew_if_due(self._admin)
            try:
                self._admin.ddl(dropping)
                return
            except OutcomeUnknown:
                unanswered += 1
                self._admin.back_off(unanswered)

    def _record(self, update: JournalUpdate) -> None:
        self._progress.advance(StepUpdate(self._step, update))

    def _write(self, work: Callable[[Session], None]) -> None:
        self._progress.write(work, StepUpdate(self._step, self._done()))

    def _done(self, rows: int = 0) -> JournalUpdate:
        state = State.APPLIED if self._step.completes else State.PENDING
        return self._update(state, self._step.last + 1, rows)

    def _update(self, state: State, done_after: int, rows: int = 0) -> JournalUpdate:
        return JournalUpdate(self._step.first, done_after, state, rows)

    def _probe(self) -> Probe:
        probe = self._statement.probe
        if probe is None:
            raise MigrationFailedError(
                f"{self._step.place}: the statement has no name to wait for",
                "an asynchronous job is awaited by looking up the object it creates",
                "name the index: CREATE INDEX ASYNC name ON …",
            )
        return probe

    def _refused(self, error: DatabaseError) -> DatabaseError | MigrationFailedError:
        """Record that the statement had no effect, and return the error for the user."""
        if isinstance(error, ConnectionFailed):
            return error  # the statement itself was not refused
        self._record(self._update(State.FAILED, self._step.first))
        name = self._step.migration.name
        remedy = f"{after_failure(name, self._step.first, self._rows_changed)}; {self._undone()}"
        if error.sqlstate in _EXISTS:
            remedy = _BASELINE.format(name=name) + remedy
        if isinstance(error, TransactionRowLimitExceeded):
            remedy = f"{_ROW_LIMIT}; {remedy}"
        place = self._step.migration.place(self._at, error.position)
        return MigrationFailedError(
            f"{place}: DSQL refused the statement", server_words(error), remedy, row_words(error)
        )

    def _undone(self) -> str:
        """Return the words for the part of the migration that the refusal has undone."""
        if self._rows_changed and self._step.action is Action.BATCH:
            return "this run had no effect, and every run before it stays committed"
        if len(self._step.statements) == 1:
            return "nothing of this statement took effect"
        return (
            f"nothing of its transaction took effect, which has {len(self._step.statements)} statements "
            f"from {self._step.place} on"
        )
