"""Storage of the ledger: the table `_grants`, written in transactions that commit only while the lease is held."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.errors import CommitOutcomeUnknown, DatabaseError
from migration_manifest import LEDGER

from . import tables
from .errors import MigrationFailedError
from .grants import read_grants, write_grants
from .ledger import Row, State, desired, settle, unfinished, unrevoked
from .provision import existing_grants, provision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from blocks_runtime import Sql
    from blocks_runtime.database.session import Session

    from .admin import AdminConnection
    from .lease import Lease
    from .ledger import Change, Rule
    from .tables import Reader

_logger = logging.getLogger("lambda_migrator")

KEPT_DAYS = 30
"""Days for which a row that has ended is kept, so that a late delivery of its request changes nothing.

Lambda keeps an event for six hours, and CloudFormation waits for an answer for an hour at most.
"""

READ = sql("SELECT * FROM public._grants ORDER BY id")
"""All columns: before its first request, a ledger of an earlier release has fewer."""
PRUNE = sql(
    "DELETE FROM public._grants WHERE id IN (SELECT id FROM public._grants WHERE state = 'gone' AND revoked "
    "AND changed_at < now() - {days} * interval '1 day' ORDER BY id LIMIT 500)",
    days=KEPT_DAYS,
)


def read(reader: Reader) -> dict[str, Row]:
    """Return the ledger."""
    return _ledger(reader.read(READ))


def read_or_empty(reader: Reader) -> dict[str, Row]:
    """Return the ledger, empty if the database has none."""
    return {} if LEDGER in tables.missing(reader) else read(reader)


def other_databases(reader: Reader, database: str) -> list[str]:
    """Return the other databases with live grants on this cluster, each with its stacks, for a message."""
    stacks: dict[str, set[str]] = {}
    for row in read(reader).values():
        if row.state is State.LIVE and row.database != database:
            stacks.setdefault(row.database, set()).add(_stack_name(row.stack))
    return [
        f"database `{other}` of stack {', '.join(sorted(names))}" for other, names in sorted(stacks.items())
    ]


def _stack_name(stack_id: str) -> str:
    """Return the name in an id of a stack, `arn:aws:cloudformation:…:stack/NAME/UUID`."""
    return stack_id.partition(":stack/")[2].partition("/")[0] or stack_id


def carry_out(admin: AdminConnection, lease: Lease, database: str, rule: Rule) -> Change:
    """Apply a rule to the ledger, change the database to what the ledger then says, and finish the row.

    After a refused statement the unfinished row ends, and its grants are revoked. A process that is killed leaves a
    row that counts for its own request only; the next request, of any resource, revokes its grants.

    Raises:
        MigrationFailedError: a statement was refused, or another migrator has taken the lease.
    """
    change = _write_rule(admin, lease, rule)
    for row in change.rows:
        _logger.info("ledger of grants: %s is %s", row.id, row.state.value)
    if change.cancelled or change.is_done:
        return change
    try:
        _provision(admin, lease, database, change)
    except MigrationFailedError:
        with suppress(MigrationFailedError, DatabaseError):  # otherwise the next request revokes it
            _give_up(admin, lease, database, change)
        raise
    if change.revokes:
        _write(admin, lease, [PRUNE])
    return change


def _give_up(admin: AdminConnection, lease: Lease, database: str, change: Change) -> None:
    """End the row of a request that fails, and revoke what it was granted."""
    rows = unfinished(read(admin), change)
    _write(admin, lease, [store_statement(row) for row in rows])
    if rows:
        _provision(admin, lease, database, replace(change, finishes=None))


def _provision(admin: AdminConnection, lease: Lease, database: str, change: Change) -> None:
    ledger = read(admin)
    ended = unrevoked(ledger, database, change.finishes)
    wanted = desired(ledger, database, change.finishes)
    if not change.revokes:
        ends = {(grant.role, grant.arn) for grant in ended}
        known = existing_grants(admin, database)
        wanted = (*wanted, *(grant for grant in known if (grant.role, grant.arn) not in ends))
    provision(admin, lease, database, wanted, ended=None if change.revokes else ended)
    _write(admin, lease, [store_statement(row) for row in settle(ledger, database, change)])


def provision_again(admin: AdminConnection, lease: Lease, database: str) -> None:
    """Give the roles of the grantees that there are their privileges on new objects; nothing is revoked.

    Raises:
        MigrationFailedError: a statement was refused, or another migrator has taken the lease.
    """
    provision(
        admin, lease, database, (*desired(read(admin), database), *existing_grants(admin, database)), ended=()
    )


def _write_rule(admin: AdminConnection, lease: Lease, rule: Rule) -> Change:
    """Apply a rule in a transaction; after a lost reply again, which finds what the first time has written."""
    revokes = False
    while True:
        changes: list[Change] = []

        def write(session: Session, changes: list[Change] = changes) -> Change:
            lease.fence(session)
            changes.append(rule(_ledger(session.run(READ).all())))
            for row in changes[-1].rows:
                session.run(store_statement(row))
            return changes[-1]

        try:
            change = admin.write(write)
        except CommitOutcomeUnknown:
            revokes = revokes or changes[-1].revokes
            continue
        return replace(change, revokes=change.revokes or revokes)


def _write(admin: AdminConnection, lease: Lease, statements: Sequence[Sql]) -> None:
    """Run statements that may be repeated in a transaction."""

    def write(session: Session) -> None:
        lease.fence(session)
        for statement in statements:
            session.run(statement)

    done = not statements
    while not done:
        with suppress(CommitOutcomeUnknown):
            admin.write(write)
            done = True


def store_statement(row: Row) -> Sql:
    """Return the statement that writes a row."""
    return sql(
        """\
INSERT INTO public._grants
    (id, database_name, grants, state, revoked, stack, owner, made_from, request, seen, changed_at, number, cluster)
VALUES ({id}, {database}, {grants}, {state}, {revoked}, {stack}, {owner}, {made_from}, {request}, {seen}, now(),
    {number}, {cluster})
ON CONFLICT (id) DO UPDATE SET
    grants = excluded.grants, state = excluded.state, revoked = excluded.revoked, request = excluded.request, seen =
    excluded.seen, changed_at = excluded.changed_at, cluster = excluded.cluster""",
        id=row.id,
        database=row.database,
        grants=json.dumps(write_grants(row.grants), ensure_ascii=False, separators=(",", ":")),
        state=row.state.value,
        revoked=row.revoked,
        stack=row.stack,
        owner=row.owner,
        made_from=row.made_from,
        request=row.request,
        seen=row.seen,
        number=row.number,
        cluster=row.cluster,
    )


def _ledger(rows: Iterable[Mapping[str, object]]) -> dict[str, Row]:
    return {str(row["id"]): _row(row) for row in rows}


def _row(row: Mapping[str, object]) -> Row:
    database = str(row["database_name"])
    return Row(
        id=str(row["id"]),
        database=database,
        grants=read_grants(database, json.loads(str(row["grants"]))),
        state=State(row["state"]),
        stack=str(row["stack"]),
        owner=str(row["owner"]),
        request=str(row["request"]),
        made_from=None if row["made_from"] is None else str(row["made_from"]),
        seen=int(str(row["seen"])),
        revoked=bool(row["revoked"]),
        number=int(str(row.get("number") or 0)),
        cluster=str(row.get("cluster") or ""),
    )
