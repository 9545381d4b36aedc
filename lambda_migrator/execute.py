"""Carries out the steps of a plan; a kill between any two messages loses nothing and repeats nothing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeAlias

from blocks_runtime import Sql, sql
from blocks_runtime.errors import (
    ConnectionFailed,
    DatabaseError,
    TransactionRowLimitExceeded,
)

from . import jobs, probes
from .admin import Unanswered
from .errors import MigrationProblem, row_words, server_words
from .journal import Move, State
from .plan import Action
from .progress import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_runtime.database.results import Row
    from blocks_runtime.database.session import Session

    from .admin import Admin
    from .journal import Journal
    from .manifest import Statement
    from .plan import Plan, Step

_ROW_LIMIT = (
    "split the file, or put `-- blocks: batch` above a statement that changes some rows at a time, which "
    "repeats it until it changes none; one of the 3,000 rows is the journal's"
)

_logger = logging.getLogger("lambda_migrator")

Report: TypeAlias = "Callable[[Step, float], None]"
"""Is told of each step that is done, and the seconds it took."""


def log_step(step: Step, seconds: float) -> None:
    """Log a step that is done."""
    _logger.info("%s: %s in %.0f ms", step.place, step.action.value, seconds * 1000)


def execute(plan: Plan, admin: Admin, journal: Journal, report: Report = log_step) -> None:
    """Carry out a plan; `report` is told of each step once it is done and recorded, with its seconds.

    Raises:
        MigrationProblem: a statement was refused, or nobody can tell whether it took effect.
        OutOfTime: the deadline came first; a new plan goes on from there.
    """
    with Progress(admin, journal, report) as progress:
        for step in plan.steps:
            journal.lease.keep(admin)
            began = time.monotonic()
            Execution(step, admin, progress).run()
            progress.done(step, time.monotonic() - began)


class Execution:
    """One step, being carried out."""

    def __init__(self, step: Step, admin: Admin, progress: Progress) -> None:
        self._step = step
        self._admin = admin
        self._progress = progress
        self._journal = progress.journal
        self._at = step.first

    @property
    def _statement(self) -> Statement:
        return self._step.statements[0]

    def run(self) -> None:
        """Carry the step out and record it."""
        work: dict[Action, Callable[[], None]] = {
            Action.DDL: self._ddl,
            Action.INDEX: self._index,
            Action.VALIDATE: self._validate,
            Action.ROWS: self._rows,
            Action.BATCH: self._batches,
        }
        work[self._step.action]()

    def _ddl(self) -> None:
        self._sent()
        self._progress.hold(Note(self._step, self._done()))

    def _index(self) -> None:
        awaited = jobs.index(self._probe(), self._started_job())
        try:
            jobs.wait(self._admin, self._journal.lease, awaited)
        except jobs.JobFailed as failure:
            self._drop_index()
            self._record(self._moved(State.FAILED, self._step.first))
            raise MigrationProblem(
                f"{self._step.place}: the index {self._probe()['name']} could not be built",
                f"DSQL says: {failure}",
                "correct the rows that are in the way and migrate again; the invalid index has been dropped",
            ) from failure
        self._record(self._done())

    def _validate(self) -> None:
        awaited = jobs.validation(self._probe(), self._started_job())
        try:
            jobs.wait(self._admin, self._journal.lease, awaited)
        except jobs.JobFailed as failure:
            self._record(self._moved(State.FAILED, self._step.first))
            raise MigrationProblem(
                f"{self._step.place}: the constraint {self._probe()['name']} could not be validated",
                f"DSQL says: {failure}",
                "correct the rows that violate it and migrate again; for new rows it holds already",
            ) from failure
        self._record(self._done())

    def _rows(self) -> None:
        self._progress.settle()  # in a transaction of its own: the rows of this one are counted

        def work(session: Session) -> None:
            changed = 0
            for index, statement in enumerate(self._step.statements, start=self._step.first):
                self._at = index
                changed += max(session.run(Sql((statement.sql,))).rowcount, 0)
            self._journal.record(session, (self._step.migration, self._done(changed)))

        self._change(work)

    def _batches(self) -> None:
        changed = 1
        self._progress.settle()

        def work(session: Session) -> None:
            nonlocal changed
            changed = max(session.run(Sql((self._statement.sql,))).rowcount, 0)
            move = self._moved(State.PENDING, self._step.first, changed) if changed else self._done()
            self._journal.record(session, (self._step.migration, move))

        while changed:
            self._journal.lease.keep(self._admin)
            self._change(work)

    def _sent(self) -> list[Row]:
        """Make sure that the DDL statement has taken effect once, and return its rows if it was sent now.

        What the catalog shows before the statement was ever sent is not its effect, and will be refused;
        then nothing is recorded that a later run could take for a success.
        """
        foreign = not self._step.started and not self._statement.repeatable and self._effect() is True
        if self._step.started and self._landed():
            return []
        if not self._step.started and not foreign:
            self._record(self._moved(State.STARTED, self._step.first))
        unanswered = 0
        while True:
            self._journal.lease.keep(self._admin)
            try:
                return self._admin.ddl(Sql((self._statement.sql,)))
            except Unanswered:
                unanswered += 1
                self._admin.await_answer(unanswered)
                if not foreign and self._landed():
                    return []
            except DatabaseError as error:
                if unanswered and not foreign and self._landed():  # the unanswered one came through
                    return []
                raise self._refused(error) from error

    def _started_job(self) -> str | None:
        rows = self._sent()
        if not rows:
            return self._step.job
        job = str(rows[0]["job_id"])
        self._write(lambda session: self._journal.note_job(session, self._step.migration, job))
        return job

    def _effect(self) -> bool | None:
        """Ask the catalog whether it is as the statement makes it; None where it does not show that."""
        probe = self._statement.probe
        question = None if probe is None else probes.presence(probe)
        if probe is None or question is None:
            return None
        present: bool = self._admin.read(question)[0]["present"]
        return present is probes.expected(probe)

    def _landed(self) -> bool:
        """Return whether the statement, which was sent, took effect; a repeatable one need not have.

        Raises:
            MigrationProblem: nobody can tell.
        """
        effect = self._effect()
        if effect is not None:
            return effect
        if self._statement.repeatable:
            return False
        raise MigrationProblem(
            f"{self._step.place}: nobody knows whether this statement took effect",
            "it was sent, its answer was lost, and the catalog does not show its effect",
            f"look for yourself, then `blocks repair {self._step.migration.name} --applied` or `--pending`",
        )

    def _change(self, work: Callable[[Session], None]) -> None:
        """Run a transaction of the migration's own statements."""
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
            self._journal.lease.keep(self._admin)
            try:
                self._admin.ddl(dropping)
                return
            except Unanswered:
                unanswered += 1
                self._admin.await_answer(unanswered)

    def _record(self, move: Move) -> None:
        self._progress.advance(Note(self._step, move))

    def _write(self, work: Callable[[Session], None]) -> None:
        self._progress.write(work, Note(self._step, self._done()))

    def _done(self, rows: int = 0) -> Move:
        state = State.APPLIED if self._step.completes else State.PENDING
        return self._moved(state, self._step.last + 1, rows)

    def _moved(self, state: State, now: int, rows: int = 0) -> Move:
        return Move(self._step.first, now, state, rows)

    def _probe(self) -> dict[str, object]:
        probe = self._statement.probe
        if probe is None:
            raise MigrationProblem(
                f"{self._step.place}: the statement has no name to wait for",
                "an asynchronous job is awaited by looking for what it makes",
                "name the index: CREATE INDEX ASYNC name ON …",
            )
        return dict(probe)

    def _refused(self, error: DatabaseError) -> DatabaseError | MigrationProblem:
        """Record that the statement had no effect, and return what to tell people."""
        if isinstance(error, ConnectionFailed):
            return error  # this says nothing about the statement
        self._record(self._moved(State.FAILED, self._step.first))
        remedy = "correct the file and migrate again; nothing of this statement took effect"
        if isinstance(error, TransactionRowLimitExceeded):
            remedy = _ROW_LIMIT
        place = self._step.migration.place(self._at, error.position)
        return MigrationProblem(
            f"{place}: DSQL refused the statement", server_words(error), remedy, row_words(error)
        )
