"""What is to be done, as data: manifest and journal in, steps out, no database in sight."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .journal import Entry, State
from .problem import MigrationProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .manifest import Manifest, Migration, Statement


class Action(enum.Enum):
    """How the statements of a step are run."""

    DDL = "ddl"
    """One statement, its own transaction; the journal is written before and after."""
    ROWS = "rows"
    """Statements that change rows, in one transaction with the journal."""
    BATCH = "batch"
    """One statement that changes rows, repeated in transactions of its own until it changes none."""
    INDEX = "index"
    """DDL that begins an index build; done when the index is valid."""
    VALIDATE = "validate"
    """DDL that begins the validation of a constraint; done when it is validated."""


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

    `started` says that an earlier run sent the statement and left without recording its effect; `job` is the
    asynchronous job it is known to have begun.
    """

    migration: Migration
    first: int
    last: int
    action: Action
    started: bool = False
    job: str | None = None

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is to be run."""
        return self.migration.statements[self.first : self.last + 1]

    @property
    def completes(self) -> bool:
        """True for the last step of its migration."""
        return self.last + 1 == len(self.migration.statements)

    @property
    def place(self) -> str:
        """Where its first statement stands, as `file:line:column`."""
        return self.migration.place(self.first)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps that are left, and the names of applied migrations that this manifest does not have yet.

    The latter happens when CloudFormation rolls back: the database is ahead of the code and stays there.
    """

    steps: tuple[Step, ...]
    ahead: tuple[str, ...] = ()

    def render(self) -> str:
        """Return the plan for people, a line a step."""
        lines = [f"{step.place} {step.action.value}{' (resumed)' * step.started}" for step in self.steps]
        return "\n".join(lines) or "nothing to do"


def plan(manifest: Manifest, journal: Sequence[Entry]) -> Plan:
    """Return what is left to do.

    Raises:
        MigrationProblem: an applied file was changed, is gone, or a new one was put below it.
    """
    entries = {entry.version: entry for entry in journal}
    faults = [*_drift(manifest, entries)]
    if faults:
        raise faults[0] if len(faults) == 1 else _together(faults)
    newest = max((migration.version for migration in manifest.migrations), default=0)
    ahead = tuple(entry.name for entry in journal if entry.version > newest)
    pending = (each for each in manifest.migrations if not _applied(entries.get(each.version)))
    return Plan(tuple(step for each in pending for step in _steps(each, entries.get(each.version))), ahead)


def _applied(entry: Entry | None) -> bool:
    return entry is not None and entry.state is State.APPLIED


def _steps(migration: Migration, entry: Entry | None) -> Iterator[Step]:
    """Yield the steps from where the journal stands; neighbours that change rows go together."""
    at = _done(migration, entry)
    sent = entry is not None and entry.state is State.STARTED
    while at < len(migration.statements):
        action, last = _action(migration.statements[at]), at
        if action is Action.ROWS:
            while last + 1 < len(migration.statements) and _action(migration.statements[last + 1]) is action:
                last += 1
        job = entry.job if entry is not None and sent else None
        yield Step(migration, at, last, action, started=sent, job=job)
        sent, at = False, last + 1


def _done(migration: Migration, entry: Entry | None) -> int:
    """How many statements are done; a corrected file may have fewer than the one that failed."""
    return 0 if entry is None else min(entry.statement, len(migration.statements) - 1)


def _action(statement: Statement) -> Action:
    return Action.BATCH if statement.batch else _ACTIONS[statement.kind]


def _drift(manifest: Manifest, entries: dict[int, Entry]) -> Iterator[MigrationProblem]:
    known = {migration.version: migration for migration in manifest.migrations}
    newest_applied = max((version for version, entry in entries.items() if _applied(entry)), default=0)
    newest_known = max(known, default=0)
    for migration in manifest.migrations:
        entry = entries.get(migration.version)
        if entry is not None and entry.checksum != migration.checksum and not _correctable(entry):
            yield _changed(migration, entry)
        elif not _applied(entry) and migration.version < newest_applied:
            yield _below(migration, entries[newest_applied])
    for version, entry in entries.items():
        if version not in known and version < newest_known and _applied(entry):
            yield _gone(entry)


def _correctable(entry: Entry) -> bool:
    """Nothing of it has taken effect, so the file may be corrected."""
    return entry.state in (State.FAILED, State.PENDING) and entry.statement == 0


def _changed(migration: Migration, entry: Entry) -> MigrationProblem:
    if entry.state is State.APPLIED:
        remedy = f"put {migration.name}.sql back as it was and add a new migration with the change"
    else:
        remedy = (
            f"put {migration.name}.sql back as it was and deploy, then add a new migration with the change; "
            f"or settle it with `blocks repair {migration.name} --applied` or `--pending`"
        )
    return MigrationProblem(
        f"{migration.name}.sql was changed after it was {entry.state.value}",
        f"its checksum was {entry.checksum} and is now {migration.checksum}",
        remedy,
    )


def _below(migration: Migration, newest: Entry) -> MigrationProblem:
    return MigrationProblem(
        f"{migration.name}.sql is new, but its number is below {newest.name}, which is applied",
        "the order in which other databases would apply the two is not the order of their numbers",
        f"give {migration.name}.sql a number above {newest.version}",
    )


def _gone(entry: Entry) -> MigrationProblem:
    return MigrationProblem(
        f"{entry.name}.sql is applied, but the folder does not have it any more",
        f"its checksum was {entry.checksum}, and newer migrations are still there",
        f"put {entry.name}.sql back; to undo what it did, add a new migration",
    )


def _together(faults: list[MigrationProblem]) -> MigrationProblem:
    return MigrationProblem(
        f"{len(faults)} migrations do not fit what the database has applied",
        "\n".join(f"{fault.what}; {fault.why}" for fault in faults),
        "\n".join(fault.remedy for fault in faults),
    )
