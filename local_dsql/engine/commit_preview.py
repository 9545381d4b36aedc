"""Preview of a COMMIT for fault injection: the changed rows, the statements, and the results of predicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules
from local_dsql.engine.conflict_rows import keys_at
from local_dsql.engine.errors import EngineError, lost
from local_dsql.engine.execute import ensure_active
from local_dsql.engine.suspend import suspend, tables_of
from local_dsql.faults.injection import Attempt
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.session import EngineSession, HeldSession
    from local_dsql.faults.injection import Fault
    from local_dsql.faults.injector import Injector

NO_RULES_YET = TransactionRules()


@dataclass(frozen=True, slots=True)
class CommitPreview:
    """The COMMIT as injections see it, and the numbers of the injections whose predicates match it."""

    attempt: Attempt
    matched: frozenset[int] = frozenset()

    def next_fault(self, injector: Injector) -> Fault | None:
        """Return the fault to inject into the COMMIT, or None."""
        return injector.next_fault(self.attempt, self.matched)


async def preview_commit(session: EngineSession) -> CommitPreview | None:
    """Return the preview of a COMMIT; None if no injection is armed, or the transaction changes nothing.

    The session must not be held: while predicates run, the transaction is idle, as between two statements. It is
    suspended afterwards, because the keys of deleted rows are readable only then.

    Raises:
        PredicateFailed: a predicate raised or timed out.
        ConnectionLost: the client has disconnected meanwhile.
    """
    injector = session.services.injector
    transaction = session.transaction
    if not injector.armed() or transaction is None or transaction.failed or transaction.doomed is not None:
        return None
    async with session.exclusive() as held:
        if await ensure_active(held) is not None or transaction.doomed is not None:
            return None
        try:
            rows = await _changed_rows(held)
        except EngineError as error:
            transaction.doomed = lost(error)
            return None
        assert transaction.suspended is not None
        if not transaction.suspended and transaction.rules == NO_RULES_YET:
            return None
    statements = tuple(transaction.statements)
    attempt = Attempt(session.role, session.region, frozenset(rows), rows, statements)
    matched = await injector.evaluate_predicates(attempt) if injector.has_predicates else frozenset()
    if session.backend.is_gone:
        raise ConnectionLost
    return CommitPreview(attempt, matched)


async def _changed_rows(held: HeldSession) -> Mapping[str, frozenset[str]]:
    """Return the keys of the rows that the transaction has changed, by table; it is suspended afterwards."""
    made: dict[int, list[str]] = {}
    changes = (await held.services.log.operations(held.backend.pid)).changes()
    for file, table in (await tables_of(held, changes)).items():
        made[file] = await keys_at(held, table, changes[file].made)
    await suspend(held)
    rows: dict[str, frozenset[str]] = {}
    suspended = held.transaction.suspended
    for each in suspended.tables if suspended is not None else ():
        gone = await keys_at(held, each.table, [*each.changes.updates, *each.changes.deletes])
        keys = frozenset(gone).union(made.get(each.table.file, ()))
        if keys:
            name = each.table.relation.lower()
            rows[name] = rows.get(name, frozenset()) | keys
    return rows
