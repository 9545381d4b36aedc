"""Correction of the journal by the user.

`repair` marks one migration as applied or pending; `baseline` marks all files as applied, for a database that existed
before its migrations. Both write the journal only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.errors import CommitOutcomeUnknown

from .drift import DriftError, find_drift
from .errors import RepairError
from .journal import Entry, State, delete_statement, overwrite_statement, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blocks_runtime import Sql
    from blocks_runtime.database.session import Session
    from migration_manifest import Manifest

    from .admin import AdminConnection
    from .lease import Lease


@dataclass(frozen=True, slots=True)
class Correction:
    """State of a migration before (None: not in the journal) and after (None: deleted from it).

    `written` is False if the journal had that state already.
    """

    name: str
    before: State | None
    after: State | None
    written: bool = True


def repair(
    admin: AdminConnection, lease: Lease, manifest: Manifest, name: str, state: State, by: str
) -> Correction:
    """Mark the migration `name` as applied (APPLIED), or as not begun (PENDING).

    APPLIED refers to the file as it is now, so it also accepts a changed file. The row of a migration without a file
    can only be deleted, by PENDING.

    Raises:
        RepairError: there is no such migration, or the journal would not match the files afterwards.
    """
    entries = {entry.version: entry for entry in read(admin)}
    migration = next((each for each in manifest.migrations if each.name == name), None)
    if migration is None:
        return _delete_row(admin, lease, _row_without_file(entries.values(), name, state))
    before = entries.get(migration.version)
    if state is State.APPLIED and before and before.applied and before.checksum == migration.checksum:
        return Correction(name, state, state, written=False)  # run and time of the application are kept
    done = len(migration.statements) if state is State.APPLIED else 0
    after = Entry(migration.version, name, migration.checksum, done, state)
    _check(manifest, entries, after)
    _write(admin, lease, overwrite_statement(migration, state, done, by))
    return Correction(name, None if before is None else before.state, state)


def baseline(
    admin: AdminConnection, lease: Lease, manifest: Manifest, by: str, to: int | None = None
) -> tuple[Correction, ...]:
    """Mark every migration up to number `to` (by default all) as applied, without running them.

    Raises:
        RepairError: the journal has a migration that is applied or begun; refused attempts do not count.
    """
    if begun := [entry for entry in read(admin) if not entry.correctable]:
        raise RepairError(
            "this database has a journal with applied migrations already",
            f"{len(begun)} are applied or begun, the newest is {begun[-1].name}",
            "mark single ones with `blocks repair NAME --applied`; apply pending ones with `blocks up`",
        )
    chosen = [each for each in manifest.migrations if to is None or each.version <= to]
    _write(
        admin, lease, *(overwrite_statement(each, State.APPLIED, len(each.statements), by) for each in chosen)
    )
    return tuple(Correction(each.name, None, State.APPLIED) for each in chosen)


def _delete_row(admin: AdminConnection, lease: Lease, entry: Entry) -> Correction:
    _write(admin, lease, delete_statement(entry.version))
    return Correction(entry.name, entry.state, None)


def _row_without_file(entries: Iterable[Entry], name: str, state: State) -> Entry:
    """Return the row of a migration without a file, which may be deleted."""
    found = next((entry for entry in entries if entry.name == name), None)
    if found is None:
        raise RepairError(
            f"there is no migration {name}",
            f"{name}.sql is not in the folder, and the journal does not know it",
            "name it as `blocks status` does, without .sql",
        )
    if state is State.APPLIED:
        raise RepairError(
            f"{name} cannot be marked as applied",
            f"{name}.sql is not in the folder, so there is nothing to compare with the journal",
            f"put {name}.sql back, or delete it from the journal with --pending",
        )
    return found


def _check(manifest: Manifest, entries: Mapping[int, Entry], after: Entry) -> None:
    """Refuse a change after which the journal would have new contradictions to the files."""
    known = {(fault.version, fault.drift) for fault in find_drift(manifest, entries.values())}
    faults = find_drift(manifest, {**entries, after.version: after}.values())
    if new := [fault for fault in faults if (fault.version, fault.drift) not in known]:
        raise DriftError(new)


def _write(admin: AdminConnection, lease: Lease, *statements: Sql) -> None:
    """Run the statements in one transaction; all are idempotent, so it is repeated after a lost reply."""

    def work(session: Session) -> None:
        lease.fence(session)
        for statement in statements:
            session.run(statement)

    while True:
        try:
            return admin.write(work)
        except CommitOutcomeUnknown:
            continue
