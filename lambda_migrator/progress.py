"""How far a run is: what it has done goes into the journal, each step before the next one is sent.

A DDL statement costs two notes, that it is about to be sent and that it has taken effect. The second is held back
until the first of the next statement, so that both are one transaction: if the run is killed in between, the journal
says `started`, and the next run sees the effect in the catalog. Where it could not be seen, nothing is held back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.errors import CommitOutcomeUnknown, DatabaseError
from custom_resource.deadline import OutOfTime

from . import probes
from .errors import MigrationProblem
from .journal import Overtaken, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from blocks_runtime.database.session import Session

    from .admin import Admin
    from .journal import Journal, Move
    from .manifest import Migration
    from .plan import Step


@dataclass(frozen=True, slots=True)
class Note:
    """A step, and the move of its migration that the journal is to show."""

    step: Step
    move: Move


class Progress:
    """Writes the journal for one run; as a `with` block it writes what is held back when the block ends."""

    def __init__(self, admin: Admin, journal: Journal, report: Callable[[Step, float], None]) -> None:
        self._admin = admin
        self._report = report
        self._held: Note | None = None
        self._unreported: list[tuple[Step, float]] = []
        self.journal = journal

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.settle()
            return
        with suppress(MigrationProblem, DatabaseError, OutOfTime):  # then the next run sees the effect
            self.settle()

    def done(self, step: Step, seconds: float) -> None:
        """Report a step that took so many seconds, once it is in the journal."""
        self._unreported.append((step, seconds))
        if self._held is None:
            self._tell()

    def hold(self, note: Note) -> None:
        """Note what is to be written with the next step, or at the end."""
        self.settle()
        if _can_be_seen(note.step):
            self._held = note
        else:
            self.advance(note)

    def settle(self) -> None:
        """Write what is held back."""
        if self._held is not None:
            self._advance([self._held])

    def advance(self, note: Note) -> None:
        """Write how far a migration got, and what is held back, in a transaction of their own.

        Raises:
            MigrationProblem: the lease was lost, or another migrator moved the migration on.
        """
        self._advance([note] if self._held is None else [self._held, note])

    def _advance(self, notes: list[Note]) -> None:
        moves = _joined(notes)
        self._until_known(lambda: self.journal.advance(self._admin, moves), notes[-1])
        self._held = None
        self._tell()

    def write(self, work: Callable[[Session], None], note: Note) -> None:
        """Run a transaction that comes to `note`; an unanswered COMMIT is looked up in the journal."""
        self._until_known(lambda: self._admin.write(work), note)

    def _until_known(self, commit: Callable[[], None], note: Note) -> None:
        while True:
            try:
                commit()
            except CommitOutcomeUnknown:
                if self._recorded(note):
                    return
                continue
            except Overtaken:
                if self._recorded(note):
                    return
                raise _moved_by_another(note.step) from None
            return

    def _recorded(self, note: Note) -> bool:
        version = note.step.migration.version
        found = [entry for entry in read(self._admin) if entry.version == version]
        return bool(found) and (found[0].statement, found[0].state) == (note.move.now, note.move.state)

    def _tell(self) -> None:
        while self._unreported:
            self._report(*self._unreported.pop(0))


def _can_be_seen(step: Step) -> bool:
    probe = step.statements[0].probe
    return probe is not None and probes.presence(probe) is not None


def _joined(notes: list[Note]) -> list[tuple[Migration, Move]]:
    """Return one move for each migration: two of the same migration are one."""
    moves: dict[int, tuple[Migration, Move]] = {}
    for note in notes:
        migration = note.step.migration
        before = moves.get(migration.version)
        move = note.move if before is None else before[1].then(note.move)
        moves[migration.version] = (migration, move)
    return list(moves.values())


def _moved_by_another(step: Step) -> MigrationProblem:
    return MigrationProblem(
        f"{step.place}: another migrator is applying this migration",
        "its row in _migrations moved although this run holds the lease",
        "let the other one end, then migrate again",
    )
