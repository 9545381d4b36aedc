"""One run: lease, journal, plan, execution, roles; for the migration function and the command line."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from blocks_runtime.errors import DatabaseError
from custom_resource.deadline import OutOfTime

from . import journal, ledger_table, tables
from .admin import OutcomeUnknown
from .drift import DriftError
from .errors import MigrationFailedError
from .execute import execute, log_step
from .lease import acquire
from .plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from custom_resource.deadline import Deadline
    from migration_manifest import Manifest

    from .admin import AdminConnection
    from .execute import Report
    from .journal import Entry
    from .lease import Lease, Queue
    from .ledger import Rule
    from .plan import Plan

_logger = logging.getLogger("lambda_migrator")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run: the migrations it completed, the newest one applied, those ahead of the manifest.

    `id` is the physical id that the ledger's rule answers, empty without one.
    """

    applied: tuple[str, ...]
    newest: str
    ahead: tuple[str, ...] = ()
    id: str = ""


def migrate(
    admin: AdminConnection,
    manifest: Manifest,
    *,
    database: str,
    holder: str,
    process: str = "",
    to: int | None = None,
    queue: Queue | None = None,
    report: Report = log_step,
    rule: Rule | None = None,
) -> Outcome:
    """Apply the pending migrations of `manifest`, then provision the roles of the grantees.

    Args:
        admin: the connection.
        manifest: the compiled migrations.
        database: id of the construct, from which the names of its database roles are derived.
        holder: name of this run in the lease and the journal.
        process: distinguishes, in the lease, processes of one run: a request may reach two at a time. By default
            there is one.
        to: number of the last migration to apply; by default all.
        queue: rules for waiting for another migrator; by default until the deadline.
        report: called for each completed step; by default the log.
        rule: change of the ledger of grants. By default none; the grantees that there are get privileges on new
            objects.

    Raises:
        MigrationFailedError: a statement was refused, the files do not match the journal, or the lease was lost.
        OutOfTime: the deadline of `admin` passed; call again to continue.
        DatabaseError: the database cannot be reached.
    """
    with holding_lease(admin, f"{holder} {process}".rstrip(), queue) as lease:
        todo = _plan(admin, manifest, database)
        todo = todo if to is None else todo.up_to(to)
        _logger.info("%s", todo.render())
        if todo.ahead:
            _logger.info("the database is ahead of these files: %s", ", ".join(todo.ahead))
        execute(todo, admin, journal.Journal(lease, holder), report)
        id = ""
        if rule is None:
            ledger_table.provision_again(admin, lease, database)
        else:
            id = ledger_table.carry_out(admin, lease, database, rule).id
        return replace(_outcome(journal.read(admin), holder, todo), id=id)


def _plan(admin: AdminConnection, manifest: Manifest, database: str) -> Plan:
    """Return the pending steps; an error names the other databases that use the cluster."""
    try:
        return plan(manifest, journal.read(admin))
    except DriftError as error:
        raise DriftError(error.faults, ledger_table.other_databases(admin, database)) from None


@contextmanager
def holding_lease(admin: AdminConnection, holder: str, queue: Queue | None = None) -> Iterator[Lease]:
    """Hold the lease in a `with` block; missing tables of the migrator are created before.

    On OutOfTime the lease is kept for the process that continues; `give_up` of the error releases it.
    """
    _ensure_tables(admin)
    lease = acquire(admin, holder, queue)
    try:
        yield lease
    except (MigrationFailedError, DatabaseError, KeyboardInterrupt):
        _release(lease, admin)
        raise
    except OutOfTime as late:
        late.give_up = partial(_give_up, lease, admin)
        raise
    lease.release(admin)


def _release(lease: Lease, admin: AdminConnection) -> None:
    with suppress(MigrationFailedError, DatabaseError, OutOfTime):  # the lease expires anyway
        lease.release(admin)


def _give_up(lease: Lease, admin: AdminConnection, deadline: Deadline) -> None:
    """Release the lease until a new deadline, on a new connection."""
    admin.deadline = deadline
    with admin.open():
        _release(lease, admin)


def _outcome(entries: Sequence[Entry], holder: str, done: Plan) -> Outcome:
    applied = [entry for entry in entries if entry.applied]
    return Outcome(
        applied=tuple(entry.name for entry in applied if entry.by == holder),
        newest=applied[-1].name if applied else "",
        ahead=done.ahead,
    )


def _ensure_tables(admin: AdminConnection) -> None:
    """Create what is missing of the tables of journal, lease and ledger, each in a transaction of its own."""
    unanswered = 0
    while statements := tables.creating_statements(admin):
        try:
            admin.ddl(statements[0])
        except OutcomeUnknown:
            unanswered += 1
            admin.back_off(unanswered)
        except DatabaseError:
            if statements == tables.creating_statements(admin):  # otherwise another migrator has created it
                raise
