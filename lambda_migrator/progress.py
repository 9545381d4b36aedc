"""Progress of a run, written to the journal before the next step is sent.

A DDL statement needs two updates: before it is sent and after it has taken effect. The second is deferred until the
first of the next statement, so that both are one transaction: after a crash in between, the journal has `started`,
and the next run sees the effect in the catalog. If the effect is not visible there, the update is not deferred.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.errors import CommitOutcomeUnknown, DatabaseError
from custom_resource.deadline import OutOfTime

from . import probes
from .errors import MigrationFailedError
from .journal import StaleJournalRow, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from blocks_runtime.database.session import Session
    from migration_manifest import Migration

    from .admin import AdminConnection
    from .journal import Journal, JournalUpdate
    from .plan import Step


@dataclass(frozen=True, slots=True)
class StepUpdate:
    """A step, and the journal update of its migration."""

    step: Step
    change: JournalUpdate


class Progress:
    """Writes the journal for one run; at the end of a `with` block the deferred update is written."""

    def __init__(
        self, admin: AdminConnection, journal: Journal, report: Callable[[Step, float], None]
    ) -> None:
        self._admin = admin
        self._report = report
        self._deferred: StepUpdate | None = None
        self._unreported: list[tuple[Step, float]] = []
        self.journal = journal

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
            return
        with suppress(
            MigrationFailedError, DatabaseError, OutOfTime
        ):  # the next run sees the effect in the catalog
            self.flush()

    def done(self, step: Step, seconds: float) -> None:
        """Report a step and its seconds, once it is in the journal."""
        self._unreported.append((step, seconds))
        if self._deferred is None:
            self._report_done()

    def defer(self, update: StepUpdate) -> None:
        """Defer an update until the next step, or the end."""
        self.flush()
        if _has_visible_effect(update.step):
            self._deferred = update
        else:
            self.advance(update)

    def flush(self) -> None:
        """Write the deferred update."""
        if self._deferred is not None:
            self._advance([self._deferred])

    def advance(self, update: StepUpdate) -> None:
        """Write an update, and the deferred one, in a transaction of their own.

        Raises:
            MigrationFailedError: the lease was lost, or another migrator changed the row.
        """
        self._advance([update] if self._deferred is None else [self._deferred, update])

    def _advance(self, updates: list[StepUpdate]) -> None:
        rows = _merged(updates)
        self._retry_until_known(lambda: self.journal.advance(self._admin, rows), updates[-1])
        self._deferred = None
        self._report_done()

    def write(self, work: Callable[[Session], None], update: StepUpdate) -> None:
        """Run a transaction that results in `update`; an unknown outcome is looked up in the journal."""
        self._retry_until_known(lambda: self._admin.write(work), update)

    def _retry_until_known(self, commit: Callable[[], None], update: StepUpdate) -> None:
        while True:
            try:
                commit()
            except CommitOutcomeUnknown:
                if self._recorded(update):
                    return
                continue
            except StaleJournalRow:
                if self._recorded(update):
                    return
                raise _changed_by_another(update.step) from None
            return

    def _recorded(self, update: StepUpdate) -> bool:
        version = update.step.migration.version
        found = [entry for entry in read(self._admin) if entry.version == version]
        return bool(found) and (found[0].statement, found[0].state) == (
            update.change.done_after,
            update.change.state,
        )

    def _report_done(self) -> None:
        while self._unreported:
            self._report(*self._unreported.pop(0))


def _has_visible_effect(step: Step) -> bool:
    probe = step.statements[0].probe
    return probe is not None and probes.presence(probe) is not None


def _merged(updates: list[StepUpdate]) -> list[tuple[Migration, JournalUpdate]]:
    """Return one update for each migration; two of the same migration are combined."""
    rows: dict[int, tuple[Migration, JournalUpdate]] = {}
    for update in updates:
        migration = update.step.migration
        before = rows.get(migration.version)
        change = update.change if before is None else before[1].then(update.change)
        rows[migration.version] = (migration, change)
    return list(rows.values())


def _changed_by_another(step: Step) -> MigrationFailedError:
    return MigrationFailedError(
        f"{step.place}: another migrator is applying this migration",
        "its row in _migrations changed although this run holds the lease",
        "wait for the other one and migrate again",
    )
