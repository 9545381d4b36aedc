"""Status of each migration, from files and journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_migrator.correction import after_failure
from lambda_migrator.drift import Fault, find_drift
from lambda_migrator.journal import Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from blocks_cli.json_value import Json
    from migration_manifest import Manifest, Migration

_FAILED = "failed"
_IN_DOUBT = "in doubt"
_STATES = {
    State.APPLIED: "applied",
    State.STARTED: _IN_DOUBT,
    State.FAILED: _FAILED,
    State.PENDING: "pending",
}

_CAUSE = "run `blocks up`, which shows the cause again; then "
_DOUBT = (
    "it was interrupted after a statement was sent",
    "run `blocks up`, which checks whether the statement took effect",
)
"""Reason and remedy."""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Status of one migration: `entry` is its journal row, `fault` a contradiction between file and journal.

    `gone` is whether its file is missing. `replaced` is the row of a failed file that left no change, if this file has
    taken its place: it is corrected, or another one with the same number.
    """

    version: int
    name: str
    state: str
    entry: Entry | None = None
    fault: Fault | None = None
    gone: bool = False
    replaced: Entry | None = None

    @property
    def open(self) -> bool:
        """True if the migration needs an action."""
        return self.state not in ("applied", "ahead")

    @property
    def mark(self) -> str:
        """One character for the list: x applied, blank pending, ! needs attention."""
        return "x" if not self.open else " " if self.state == "pending" else "!"

    @property
    def advice(self) -> tuple[str, str] | None:
        """Reason and remedy, None if nothing is wrong."""
        if self.fault is not None:
            return self.fault.why, self.fault.remedy
        if self.replaced is not None:
            failed = f"{self.replaced.name}.sql failed with this number, and left no change"
            return failed, f"run `blocks up`, which runs {self.name}.sql as it is now"
        if self.entry is None or self.state not in (_FAILED, _IN_DOUBT):
            return None
        why, remedy = _DOUBT if self.state == _IN_DOUBT else _failure(self.entry)
        if self.gone:
            why += "; its file is missing"
            remedy = f"restore {self.name}.sql, or remove it from the journal: `blocks repair {self.name} --pending`"
        return why, remedy

    @property
    def when(self) -> str:
        """Time of application in UTC; blanks of the same width if not applied."""
        applied = self.entry.applied_at if self.entry else None
        return f"{applied:%Y-%m-%d %H:%M:%S}" if applied else " " * 19

    @property
    def by(self) -> str:
        """The run that wrote the journal row last, with the number of completed statements if not applied."""
        if self.entry is None:
            return ""
        if self.entry.applied or not self.entry.statement:
            return self.entry.by
        return f"{self.entry.by}, {self.entry.statement} statements done"


def migration_statuses(files: Manifest, journal: Iterable[Entry]) -> tuple[MigrationStatus, ...]:
    """Return the status of all migrations of folder and journal, ordered by number."""
    entries = {entry.version: entry for entry in journal}
    names = {entry.version: entry.name for entry in entries.values()}
    present = {migration.version: migration.name for migration in files.migrations}
    faults = {fault.version: fault for fault in find_drift(files, entries.values())}
    replaced = {
        each.version: entries.pop(each.version)
        for each in files.migrations
        if each.version in entries and _replaces(each, entries[each.version])
    }
    return tuple(
        MigrationStatus(
            version,
            name,
            _state(entries.get(version), faults.get(version), known=version in present),
            entries.get(version),
            faults.get(version),
            gone=version not in present,
            replaced=replaced.get(version),
        )
        for version, name in sorted((names | present).items())
    )


def _replaces(migration: Migration, entry: Entry) -> bool:
    """Return whether a file has taken the place of a failed one that left no change."""
    failed = entry.state is State.FAILED and entry.correctable
    return failed and (entry.name, entry.checksum) != (migration.name, migration.checksum)


def _failure(entry: Entry) -> tuple[str, str]:
    """Return reason and remedy of a migration that failed."""
    if entry.correctable:
        why = "a statement of it was refused, or its index could not be built; neither left a change"
        return why, f"{_CAUSE}correct {entry.name}.sql, or the rows that contradict it"
    if entry.statement:
        why = f"a statement of it was refused; those before it are done: {entry.statement}"
    else:
        why = f"a run of its batch was refused; the runs before it changed {entry.rows:,} rows"
    return why, _CAUSE + after_failure(entry.name, entry.statement, entry.rows)


def status_lines(found: Sequence[MigrationStatus]) -> Iterator[str]:
    """Yield a line for each status, followed by reason and remedy where something is wrong."""
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        yield f"[{each.mark}] {each.name:<{width}}  {each.state:<8}  {each.when}  {each.by}".rstrip()
        if each.advice is not None:
            why, remedy = each.advice
            yield f"      why: {why}"
            yield f"      do:  {remedy}"


def as_row(status: MigrationStatus) -> Json:
    """Return a status as JSON; the keys are stable."""
    entry = status.entry
    why, remedy = status.advice or (None, None)
    applied_at = entry.applied_at if entry else None
    return {
        "version": status.version,
        "name": status.name,
        "state": status.state,
        "appliedAt": applied_at.isoformat() if applied_at else None,
        "by": entry.by if entry else None,
        "checksum": entry.checksum if entry else None,
        "statementsDone": entry.statement if entry else 0,
        "rowsChanged": entry.rows if entry else 0,
        "why": why,
        "remedy": remedy,
    }


def _state(entry: Entry | None, fault: Fault | None, *, known: bool) -> str:
    if fault is not None:
        return fault.drift.value
    if entry is None:
        return "pending"
    return _STATES[entry.state] if known or not entry.applied else "ahead"
