"""The plan: from manifest and journal to steps, as plain data without a database."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .drift import DriftError, find_drift
from .journal import Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_manifest import Manifest, Migration, Statement


class Action(enum.Enum):
    """Execution of the statements of a step; a directive has the action of its value."""

    DDL = "ddl"
    """One statement in its own transaction; the journal is written before and after."""
    ROWS = "rows"
    """Statements that change rows, in one transaction with the journal."""
    BATCH = "batch"
    """One statement that changes rows, repeated in transactions of its own until it changes none."""
    INDEX = "index"
    """DDL that starts an index build; done when the index is valid."""
    VALIDATE = "validate"
    """DDL that starts the validation of a constraint; done when it is validated."""


_SUMMARY = 72
"""Characters of a statement that a plan shows."""

_ACTIONS = {
    "ddl": Action.DDL,
    "grant": Action.DDL,
    "index": Action.INDEX,
    "validate": Action.VALIDATE,
    "dml": Action.ROWS,
}


@dataclass(frozen=True, slots=True)
class Step:
    """Statements `first` to `last` (from 0) of a migration.

    `started` says that an earlier run sent the statement and ended without recording its effect; `job` is the
    asynchronous job that it started, if known. `rows` is the number of rows that the migration has changed before.
    """

    migration: Migration
    first: int
    last: int
    action: Action
    started: bool = False
    job: str | None = None
    rows: int = 0

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of the step."""
        return self.migration.statements[self.first : self.last + 1]

    @property
    def completes(self) -> bool:
        """True for the last step of its migration."""
        return self.last + 1 == len(self.migration.statements)

    @property
    def place(self) -> str:
        """Place of its first statement, as `file:line:column`."""
        return self.migration.place(self.first)

    @property
    def summary(self) -> str:
        """The beginning of its first statement on one line, and the number of others."""
        text = " ".join(self.statements[0].sql.split())
        more = f" (and {len(self.statements) - 1} more)" if len(self.statements) > 1 else ""
        return (text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1]}…") + more


@dataclass(frozen=True, slots=True)
class Plan:
    """The pending steps, and the names of applied migrations that are newer than this manifest (`ahead`).

    After a rollback of CloudFormation the database is ahead of the code, and is left so.
    """

    steps: tuple[Step, ...]
    ahead: tuple[str, ...] = ()

    def render(self) -> str:
        """Return the plan as text, one line for each step: place, action, beginning of the SQL."""
        actions = [step.action.value + " (resumed)" * step.started for step in self.steps]
        places = [step.place for step in self.steps]
        first, second = (max(map(len, texts), default=0) for texts in (places, actions))
        return (
            "\n".join(
                f"{place:<{first}}  {action:<{second}}  {step.summary}"
                for place, action, step in zip(places, actions, self.steps, strict=True)
            )
            or "nothing to do"
        )

    def up_to(self, version: int) -> Plan:
        """Return the plan without the migrations whose number is above `version`."""
        return Plan(tuple(step for step in self.steps if step.migration.version <= version), self.ahead)


def plan(manifest: Manifest, journal: Sequence[Entry]) -> Plan:
    """Return the pending steps.

    Raises:
        DriftError: an applied file was changed or is missing, or a new one has a lower number.
    """
    if faults := find_drift(manifest, journal):
        raise DriftError(faults)
    entries = {entry.version: entry for entry in journal}
    newest = max((migration.version for migration in manifest.migrations), default=0)
    ahead = tuple(entry.name for entry in journal if entry.version > newest and not entry.correctable)
    done = {entry.version for entry in journal if entry.applied}
    pending = (each for each in manifest.migrations if each.version not in done)
    return Plan(tuple(step for each in pending for step in _steps(each, entries.get(each.version))), ahead)


def _steps(migration: Migration, entry: Entry | None) -> Iterator[Step]:
    """Yield the steps after those in the journal; adjacent DML statements form one step."""
    at, rows = (0, 0) if entry is None else (entry.statement, entry.rows)
    sent = entry is not None and entry.state is State.STARTED
    while at < len(migration.statements):
        action, last = _action(migration.statements[at]), at
        if action is Action.ROWS:
            while last + 1 < len(migration.statements) and _action(migration.statements[last + 1]) is action:
                last += 1
        job = entry.job if entry is not None and sent else None
        yield Step(migration, at, last, action, started=sent, job=job, rows=rows)
        sent, at = False, last + 1


def _action(statement: Statement) -> Action:
    return Action(statement.directive.value) if statement.directive else _ACTIONS[statement.kind]
