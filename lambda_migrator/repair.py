"""Bringing the journal in line with what is true, where only a person can know it.

`repair` says of one migration that all of it is done, or nothing of it; `baseline` says of all files that a
database, which existed before its migrations, has them already. Both write the journal and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.errors import CommitOutcomeUnknown

from .drift import DriftProblem, find_drift
from .errors import JournalProblem
from .journal import Entry, State, forgetting, read, settling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blocks_runtime import Sql
    from blocks_runtime.database.session import Session

    from .admin import Admin
    from .lease import Lease
    from .manifest import Manifest


@dataclass(frozen=True, slots=True)
class Correction:
    """What the journal said of a migration (None: nothing), and what it says now (None: nothing any more).

    `written` is False where it said just that already, and was left as it was.
    """

    name: str
    before: State | None
    after: State | None
    written: bool = True


def repair(admin: Admin, lease: Lease, manifest: Manifest, name: str, state: State, by: str) -> Correction:
    """Let the journal say that the migration `name` is done (APPLIED), or that nothing of it is (PENDING).

    Done means the file as it is now, so this also accepts a file that was changed. A migration whose file is
    gone can only be forgotten, by PENDING.

    Raises:
        JournalProblem: there is no such migration, or the journal would contradict the files afterwards.
    """
    entries = {entry.version: entry for entry in read(admin)}
    migration = next((each for each in manifest.migrations if each.name == name), None)
    if migration is None:
        return _forget(admin, lease, _orphan(entries.values(), name, state))
    before = entries.get(migration.version)
    if state is State.APPLIED and before and before.applied and before.checksum == migration.checksum:
        return Correction(name, state, state, written=False)  # by whom and when it was applied stays known
    done = len(migration.statements) if state is State.APPLIED else 0
    after = Entry(migration.version, name, migration.checksum, done, state)
    _check(manifest, entries, after)
    _write(admin, lease, settling(migration, state, done, by))
    return Correction(name, None if before is None else before.state, state)


def baseline(
    admin: Admin, lease: Lease, manifest: Manifest, by: str, to: int | None = None
) -> tuple[Correction, ...]:
    """Let the journal say that every migration up to number `to` (by default all) is done; run none of them.

    Raises:
        JournalProblem: the journal says something already.
    """
    if entries := read(admin):
        raise JournalProblem(
            "this database has a journal of migrations already",
            f"{len(entries)} are recorded, the newest is {entries[-1].name}",
            "settle single ones with `blocks repair NAME --applied`; apply what is pending with `blocks up`",
        )
    chosen = [each for each in manifest.migrations if to is None or each.version <= to]
    _write(admin, lease, *(settling(each, State.APPLIED, len(each.statements), by) for each in chosen))
    return tuple(Correction(each.name, None, State.APPLIED) for each in chosen)


def _forget(admin: Admin, lease: Lease, entry: Entry) -> Correction:
    _write(admin, lease, forgetting(entry.version))
    return Correction(entry.name, entry.state, None)


def _orphan(entries: Iterable[Entry], name: str, state: State) -> Entry:
    """Return the row of a migration that has no file, if that is what the name is of and it may go."""
    found = next((entry for entry in entries if entry.name == name), None)
    if found is None:
        raise JournalProblem(
            f"there is no migration {name}",
            f"{name}.sql is not in the folder, and the journal does not know it",
            "name it as `blocks status` does, without .sql",
        )
    if state is State.APPLIED:
        raise JournalProblem(
            f"{name} cannot be called applied",
            f"{name}.sql is not in the folder, so there is nothing to compare with the journal",
            f"put {name}.sql back, or let the journal forget it with --pending",
        )
    return found


def _check(manifest: Manifest, entries: Mapping[int, Entry], after: Entry) -> None:
    """Refuse what would make the journal contradict the files where it does not now."""
    known = {(fault.version, fault.drift) for fault in find_drift(manifest, entries.values())}
    faults = find_drift(manifest, {**entries, after.version: after}.values())
    if new := [fault for fault in faults if (fault.version, fault.drift) not in known]:
        raise DriftProblem(new)


def _write(admin: Admin, lease: Lease, *statements: Sql) -> None:
    """Run the statements in one transaction; each may be run twice, so an unanswered COMMIT does no harm."""

    def work(session: Session) -> None:
        lease.fence(session)
        for statement in statements:
            session.run(statement)

    while True:
        try:
            return admin.write(work)
        except CommitOutcomeUnknown:
            continue
