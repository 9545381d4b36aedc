"""Status of each migration, from files and journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_migrator.drift import Fault, find_drift
from lambda_migrator.journal import Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from blocks_cli.json_value import Json
    from migration_manifest import Manifest

_IN_DOUBT = "in doubt"
_STATES = {
    State.APPLIED: "applied",
    State.STARTED: _IN_DOUBT,
    State.FAILED: "failed",
    State.PENDING: "pending",
}

_ADVICE = {
    "failed": (
        "a statement of it was refused, or its index could not be built; neither left a change",
        "run `blocks up`, which shows the cause again; then correct {name}.sql, or the rows that contradict it",
    ),
    _IN_DOUBT: (
        "it was interrupted after a statement was sent",
        "run `blocks up`, which checks whether the statement took effect",
    ),
}
"""Reason and remedy by state."""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Status of one migration: `entry` is its journal row, `fault` a contradiction between file and journal.

    `gone` is whether its file is missing.
    """

    version: int
    name: str
    state: str
    entry: Entry | None = None
    fault: Fault | None = None
    gone: bool = False

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
        if self.entry is None or self.state not in _ADVICE:
            return None
        why, remedy = _ADVICE[self.state]
        if self.gone:
            why += "; its file is missing"
            remedy = "restore {name}.sql, or remove it from the journal: `blocks repair {name} --pending`"
        return why, remedy.format(name=self.name)

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
    return tuple(
        MigrationStatus(
            version,
            name,
            _state(entries.get(version), faults.get(version), known=version in present),
            entries.get(version),
            faults.get(version),
            gone=version not in present,
        )
        for version, name in sorted((names | present).items())
    )


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
