"""One run: lease, journal, plan, execution, roles; for the migration function and the command line."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.errors import DatabaseError

from . import journal, tables
from .admin import BACKOFF, Unanswered
from .deadline import OutOfTime
from .execute import execute
from .journal import State
from .lease import acquire
from .plan import plan
from .problem import MigrationProblem
from .provision import provision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .admin import Admin
    from .grants import Grant
    from .journal import Entry
    from .manifest import Manifest
    from .plan import Plan

_logger = logging.getLogger("lambda_migrator")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: the migrations it completed, the newest one applied, those ahead of the manifest."""

    applied: tuple[str, ...]
    newest: str
    ahead: tuple[str, ...] = ()


def migrate(
    admin: Admin, manifest: Manifest, *, database: str, grants: Sequence[Grant], holder: str
) -> Outcome:
    """Apply what is left of `manifest`, then provision the roles of the grantees.

    `holder` names this run in the lease and the journal; a run of the same name goes on at once where an
    earlier one left off.

    Raises:
        MigrationProblem: a statement was refused, the files do not fit the journal, or the lease was lost.
        OutOfTime: the deadline of `admin` came first; call again to go on.
        DatabaseError: the database cannot be reached.
    """
    _ensure_tables(admin)
    lease = acquire(admin, holder)
    try:
        todo = plan(manifest, journal.read(admin))
        _logger.info(
            "%d steps to do; ahead of these files: %s", len(todo.steps), ", ".join(todo.ahead) or "none"
        )
        execute(todo, admin, journal.Journal(lease, holder))
        provision(admin, database, grants)
        outcome = _outcome(journal.read(admin), holder, todo)
    except (MigrationProblem, DatabaseError):
        with suppress(MigrationProblem, DatabaseError, OutOfTime):  # then it expires by itself
            lease.release(admin)
        raise
    lease.release(admin)
    return outcome


def _outcome(entries: Sequence[Entry], holder: str, done: Plan) -> Outcome:
    applied = [entry for entry in entries if entry.state is State.APPLIED]
    return Outcome(
        applied=tuple(entry.name for entry in applied if entry.by == holder),
        newest=applied[-1].name if applied else "",
        ahead=done.ahead,
    )


def _ensure_tables(admin: Admin) -> None:
    """Create the journal and the lease where they are missing; each is a transaction of its own."""
    unanswered = 0
    while missing := _missing(admin):
        try:
            admin.ddl(tables.CREATE[missing[0]])
        except Unanswered:
            unanswered += 1
            admin.deadline.sleep(BACKOFF.wait(unanswered))
        except DatabaseError:
            if missing == _missing(admin):  # otherwise another migrator was faster
                raise


def _missing(admin: Admin) -> list[str]:
    existing = {row["relname"] for row in admin.read(tables.EXISTING)}
    return [name for name in tables.CREATE if name not in existing]
