"""Detect catalog changes that concern a transaction: OC001."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.errors import SCHEMA_ERRORS, UNIQUE_VIOLATION
from local_dsql.engine.suspend import locked_relations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_catalog import CatalogChange

_CHANGED = (
    "SELECT DISTINCT relation FROM pg_catalog.pg_locks WHERE pid = {pid} AND locktype = 'relation' AND granted"
    " AND relation >= 16384 AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',"
    " 'ExclusiveLock', 'AccessExclusiveLock')"
)
"""Locks on relations whose shape a transaction changes. No statement on rows takes so strong a lock."""

_CATALOG = "pg_catalog"


def concerns_catalog(held: HeldSession, error: Mapping[str, str]) -> bool:
    """Return whether an error comes from a change of the catalog that the snapshot does not show.

    A statement that makes what another one has just made of the same name violates a key of the catalog.
    """
    if error["C"] == UNIQUE_VIOLATION and error.get("s") == _CATALOG:
        return True
    changed = held.transaction.catalog_version != held.services.catalog.version
    return changed and error["C"].startswith(SCHEMA_ERRORS)


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
