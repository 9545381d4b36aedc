"""Files and journal that contradict each other: who was changed, who is gone, who came too late."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import MigrationFailedError
from .journal import Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from migration_manifest import Manifest, Migration


class Drift(enum.Enum):
    """How a file and its journal row contradict each other."""

    CHANGED = "changed"
    """The file is not the one that was applied, or begun."""
    BELOW = "below"
    """The file is not applied, and one with a higher number is."""
    GONE = "gone"
    """The journal has it applied, and the folder does not have it although it has newer ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One contradiction, of the migration with number `version`."""

    version: int
    drift: Drift
    what: str
    why: str
    remedy: str


class DriftError(MigrationFailedError):
    """The files do not fit what the database has applied; `faults` are all contradictions."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        if len(faults) == 1:
            super().__init__(faults[0].what, faults[0].why, faults[0].remedy)
        else:
            super().__init__(
                f"{len(faults)} migrations do not fit what the database has applied",
                "\n".join(f"{fault.what}; {fault.why}" for fault in faults),
                "\n".join(fault.remedy for fault in faults),
            )


def find_drift(manifest: Manifest, journal: Iterable[Entry]) -> tuple[Fault, ...]:
    """Return every contradiction between the files and the journal, ordered by number.

    Applied migrations above the newest file are none: an older deploy leaves the database ahead.
    """
    return tuple(sorted(_faults(manifest, {entry.version: entry for entry in journal}), key=_version))


def _version(fault: Fault) -> int:
    return fault.version


def _faults(manifest: Manifest, entries: dict[int, Entry]) -> Iterator[Fault]:
    known = {migration.version: migration for migration in manifest.migrations}
    newest_applied = max((version for version, entry in entries.items() if entry.applied), default=0)
    newest_known = max(known, default=0)
    for migration in manifest.migrations:
        entry = entries.get(migration.version)
        if entry is not None and entry.checksum != migration.checksum and not entry.correctable:
            yield _changed(migration, entry)
        elif not (entry is not None and entry.applied) and migration.version < newest_applied:
            yield _below(migration, entries[newest_applied])
    unrecorded = {each.checksum: each for each in manifest.migrations if each.version not in entries}
    for version, entry in entries.items():
        if version not in known and version < newest_known and entry.applied:
            yield _gone(entry, unrecorded.get(entry.checksum))


def _changed(migration: Migration, entry: Entry) -> Fault:
    if entry.state is State.APPLIED:
        remedy = f"put {migration.name}.sql back as it was and add a new migration with the change"
    else:
        remedy = (
            f"put {migration.name}.sql back as it was and migrate again, then add a new migration with the "
            f"change; or settle it with `blocks repair {migration.name} --applied` or `--pending`"
        )
    return Fault(
        migration.version,
        Drift.CHANGED,
        f"{migration.name}.sql was changed after it was {entry.state.value}",
        f"its checksum was {entry.checksum} and is now {migration.checksum}",
        remedy,
    )


def _below(migration: Migration, newest: Entry) -> Fault:
    return Fault(
        migration.version,
        Drift.BELOW,
        f"{migration.name}.sql is new, but its number is below {newest.name}, which is applied",
        "the order in which other databases would apply the two is not the order of their numbers",
        f"give {migration.name}.sql a number above {newest.version}",
    )


def _gone(entry: Entry, renamed: Migration | None) -> Fault:
    remedy = f"put {entry.name}.sql back; to undo what it did, add a new migration"
    if renamed is not None:
        remedy = (
            f"call {renamed.name}.sql, which has its text, {entry.name}.sql again; if it was renamed on purpose, "
            f"`blocks repair {entry.name} --pending` and `blocks repair {renamed.name} --applied` tell this database so"
        )
    return Fault(
        entry.version,
        Drift.GONE,
        f"{entry.name}.sql is applied, but the folder does not have it any more",
        f"its checksum was {entry.checksum}, and newer migrations are still there",
        remedy,
    )
