"""Detect catalog changes that concern a transaction: OC001."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.suspend import locked_relations

if TYPE_CHECKING:
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_catalog import CatalogChange

_CHANGED = (
    "SELECT DISTINCT relation FROM pg_catalog.pg_locks WHERE pid = {pid} AND locktype = 'relation' AND granted"
    " AND relation >= 16384 AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',"
    " 'ExclusiveLock', 'AccessExclusiveLock')"
)
"""Locks on relations whose shape a transaction changes. No statement on rows takes so strong a lock."""


async def schema_changed(held: HeldSession) -> tuple[CatalogChange, ...]:
    """Return the changes by others of relations that the transaction has used, since it began."""
    transaction, catalog = held.transaction, held.services.catalog
    if transaction.catalog_version == catalog.version:
        return ()
    if transaction.suspended is None:
        transaction.relations |= await locked_relations(held)
    return catalog.concerning(transaction.catalog_version, transaction.relations, held.backend.pid)


async def changed_relations(held: HeldSession) -> frozenset[int] | None:
    """Return the relations that a transaction with DDL has changed; None if it has changed other objects, too."""
    rows = await held.services.control.rows(_CHANGED.format(pid=held.backend.pid))
    return frozenset(int(str(oid)) for (oid,) in rows) or None
