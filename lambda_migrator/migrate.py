"""One run: lease, journal, plan, execution, roles; for the migration function and the command line."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.errors import DatabaseError
from custom_resource.deadline import OutOfTime

from . import journal, tables
from .admin import Unanswered
from .errors import MigrationFailedError
from .execute import execute, log_step
from .lease import acquire
from .plan import plan
from .provision import existing_grants, provision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_manifest import Manifest

    from .admin import Admin
    from .execute import Report
    from .grants import Grant
    from .journal import Entry
    from .lease import Lease, Queue
    from .plan import Plan

_logger = logging.getLogger("lambda_migrator")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: the migrations it completed, the newest one applied, those ahead of the manifest."""

    applied: tuple[str, ...]
    newest: str
    ahead: tuple[str, ...] = ()


def migrate(
    admin: Admin,
    manifest: Manifest,
    *,
    database: str,
    grants: Sequence[Grant] | None,
    holder: str,
    process: str = "",
    to: int | None = None,
    queue: Queue | None = None,
    report: Report = log_step,
) -> Outcome:
    """Apply what is left of `manifest`, then provision the roles of the grantees.

    Args:
        admin: the connection.
        manifest: the compiled migrations.
        database: the construct's id, which the names of its database roles are made from.
        grants: all grantees there should be; None leaves those that are there, and lets them have what is
            new.
        holder: names this run in the lease and the journal.
        process: tells apart, in the lease, processes that work on one run: the same request may reach two at
            a time. By default there is one.
        to: number of the last migration to apply; by default all.
        queue: how to wait for another migrator; by default until the deadline.
        report: is told of each step that is done; by default the log.

    Raises:
        MigrationFailedError: a statement was refused, the files do not fit the journal, or the lease was lost.
        OutOfTime: the deadline of `admin` came first; call again to go on.
        DatabaseError: the database cannot be reached.
    """
    with holding_lease(admin, f"{holder} {process}".rstrip(), queue) as lease:
        todo = plan(manifest, journal.read(admin))
        todo = todo if to is None else todo.up_to(to)
        _logger.info("%s\nahead of these files: %s", todo.render(), ", ".join(todo.ahead) or "none")
        execute(todo, admin, journal.Journal(lease, holder), report)
        if grants is None:
            provision(admin, lease, database, existing_grants(admin, database), complete=False)
        else:
            provision(admin, lease, database, grants)
        return _outcome(journal.read(admin), holder, todo)


@contextmanager
def holding_lease(admin: Admin, holder: str, queue: Queue | None = None) -> Iterator[Lease]:
    """Be the only migrator within a `with` block; the migrator's tables are created where they are missing.

    Out of time, the lease is kept for the process that goes on.
    """
    _ensure_tables(admin)
    lease = acquire(admin, holder, queue)
    try:
        yield lease
    except (MigrationFailedError, DatabaseError, KeyboardInterrupt):
        with suppress(MigrationFailedError, DatabaseError, OutOfTime):  # then it expires by itself
            lease.release(admin)
        raise
    lease.release(admin)


def _outcome(entries: Sequence[Entry], holder: str, done: Plan) -> Outcome:
    applied = [entry for entry in entries if entry.applied]
    return Outcome(
        applied=tuple(entry.name for entry in applied if entry.by == holder),
        newest=applied[-1].name if applied else "",
        ahead=done.ahead,
    )


def _ensure_tables(admin: Admin) -> None:
    """Create the journal and the lease where they are missing; each is a transaction of its own."""
    unanswered = 0
    while missing := tables.missing(admin):
        try:
            admin.ddl(tables.CREATE[missing[0]])
        except Unanswered:
            unanswered += 1
            admin.await_answer(unanswered)
        except DatabaseError:
            if missing == tables.missing(admin):  # otherwise another migrator was faster
                raise
