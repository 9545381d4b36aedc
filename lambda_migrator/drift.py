"""Drift between migration files and journal: changed, missing, out of order."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .correction import in_file
from .errors import MigrationFailedError
from .journal import Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from migration_manifest import Manifest, Migration


class Drift(enum.Enum):
    """Kind of contradiction between a file and its journal row."""

    CHANGED = "changed"
    """The file differs from the one that was applied or begun."""
    BELOW = "below"
    """The file is not applied, and one with a higher number is."""
    GONE = "gone"
    """The migration is applied, and its file is missing although the folder has newer ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One contradiction, of the migration with number `version`."""

    version: int
    drift: Drift
    what: str
    why: str
    remedy: str


class DriftError(MigrationFailedError):
    """The files do not match the applied migrations; `faults` are all contradictions.

    `others` are the other databases that have grants on the cluster: their migrations are in the same journal.
    """

    def __init__(self, faults: Sequence[Fault], others: Sequence[str] = ()) -> None:
        self.faults = tuple(faults)
        shared = [f"the cluster has one journal, and also serves {', '.join(others)}"] if others else []
        if len(faults) == 1:
            super().__init__(faults[0].what, "; ".join([faults[0].why, *shared]), faults[0].remedy)
        else:
            super().__init__(
                f"{len(faults)} migrations do not match what the database has applied",
                "\n".join([*(f"{fault.what}; {fault.why}" for fault in faults), *shared]),
                "\n".join(fault.remedy for fault in faults),
            )


def find_drift(manifest: Manifest, journal: Iterable[Entry]) -> tuple[Fault, ...]:
    """Return every contradiction between the files and the journal, ordered by number.

    Applied migrations above the newest file are not drift: the database is ahead after a rollback.
    """
    return tuple(sorted(_faults(manifest, {entry.version: entry for entry in journal}), key=_version))


def _version(fault: Fault) -> int:
    return fault.version


def _faults(manifest: Manifest, entries: dict[int, Entry]) -> Iterator[Fault]:
    known = {migration.version: migration for migration in manifest.migrations}
    newest_applied = max((version for version, entry in entries.items() if entry.applied), default=0)
    newest_known = max(known, default=0)
    newest = max([newest_known, *entries])
    for migration in manifest.migrations:
        entry = entries.get(migration.version)
        if entry is not None and entry.checksum != migration.checksum and not entry.correctable:
            yield (
                _changed(migration, entry)
                if migration.name == entry.name
                else _other(migration, entry, newest)
            )
        elif not (entry is not None and entry.applied) and migration.version < newest_applied:
            yield _below(migration, entries[newest_applied])
    unrecorded = {each.checksum: each for each in manifest.migrations if each.version not in entries}
    for version, entry in entries.items():
        if version not in known and version < newest_known and entry.applied:
            yield _gone(entry, unrecorded.get(entry.checksum))


def _changed(migration: Migration, entry: Entry) -> Fault:
    if entry.state is State.APPLIED:
        remedy = (
            f"put {migration.name}.sql back as it was and add a new migration with the change; if another app "
            "migrates this cluster, too, give each app a cluster of its own"
        )
    elif entry.state is not State.STARTED:
        remedy = (
            f"put {migration.name}.sql back as it was and migrate again; if the file is wrong, "
            f"{in_file(migration.name, entry.statement)}, and migrate again"
        )
    else:
        remedy = (
            f"put {migration.name}.sql back as it was and migrate again, then add a new migration with the "
            f"change; or mark it with `blocks repair {migration.name} --applied` or `--pending`"
        )
    return Fault(
        migration.version,
        Drift.CHANGED,
        f"{migration.name}.sql was changed after it {_been(entry)}",
        f"its checksum was {_short(entry.checksum)} and is now {_short(migration.checksum)}",
        remedy,
    )


def _other(migration: Migration, entry: Entry, newest: int) -> Fault:
    """Return the fault of a file whose number another migration has in the journal, as after a merge of branches."""
    remedy = f"give {migration.name}.sql a number above {newest}, and put {entry.name}.sql back; "
    if entry.applied:
        remedy += f"if it is the same migration with another name and text, `blocks repair {migration.name} --applied`"
    else:
        remedy += (
            f"to give {entry.name} up and keep its changes, delete it from the journal with "
            f"`blocks repair {entry.name} --pending`"
        )
    return Fault(
        migration.version,
        Drift.CHANGED,
        f"{migration.name}.sql has the number of {entry.name}, which {_been(entry)}",
        f"the checksum of {entry.name}.sql was {_short(entry.checksum)}, and that of {migration.name}.sql is "
        f"{_short(migration.checksum)}",
        remedy,
    )


def _below(migration: Migration, newest: Entry) -> Fault:
    return Fault(
        migration.version,
        Drift.BELOW,
        f"{migration.name}.sql is new, but its number is below {newest.name}, which is applied",
        f"it would run after {newest.name} here, but before it in a new database",
        f"give {migration.name}.sql a number above {newest.version}",
    )


def _gone(entry: Entry, renamed: Migration | None) -> Fault:
    remedy = f"put {entry.name}.sql back; to undo what it did, add a new migration"
    if renamed is not None:
        remedy = (
            f"rename {renamed.name}.sql, which has the same text, back to {entry.name}.sql; if it was renamed on "
            f"purpose, run `blocks repair {entry.name} --pending` and `blocks repair {renamed.name} --applied`"
        )
    return Fault(
        entry.version,
        Drift.GONE,
        f"{entry.name}.sql is applied, but is missing from the folder",
        f"its checksum was {_short(entry.checksum)}, and the folder has newer migrations",
        remedy,
    )


def _been(entry: Entry) -> str:
    """Return the last event of a migration in words."""
    if entry.state is State.FAILED:
        return "has failed"
    return "was begun" if entry.state is State.PENDING else f"was {entry.state.value}"


def _short(checksum: str) -> str:
    """Return the beginning of a checksum, which distinguishes it; `blocks status --json` has all of it."""
    return f"{checksum[:12]}…"
