"""The implicit locks of foreign keys, which PostgreSQL forgets at COMMIT.

Whoever makes a row refer to a parent holds the parent's key, as by FOR KEY SHARE; a FOR UPDATE of the parent conflicts
with that, whichever of the two commits first. Deletes, and changes of the parent's key, need nothing of this:
PostgreSQL's own checks meet them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.occ.effects import made_by
from local_dsql.occ.locks import Strength
from local_dsql.occ.privilege import AS_SUPERUSER
from local_dsql.occ.registry import Fact
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.registry import Entry
    from local_dsql.occ.tables import Reference, Table
    from local_dsql.occ.transaction import Transaction


@dataclass(frozen=True, slots=True)
class _Look:
    """A foreign key, the tables at its two ends, and the parents in question, by identity."""

    reference: Reference
    child: Table
    parent: Table
    parents: tuple[str, ...]

    def sql(self, condition: str = "true") -> str:
        """Return the SELECT of child and parent, as identities, for the children that satisfy a condition."""
        keys = range(len(self.reference.columns))
        of_child = "".join(
            f", {column} AS k{key}" for key, column in zip(keys, self.reference.columns, strict=True)
        )
        of_parent = "".join(
            f", {column} AS k{key}" for key, column in zip(keys, self.reference.targets, strict=True)
        )
        equal = " AND ".join(f"c.k{key} = p.k{key}" for key in keys)
        wanted = ",".join(map(literal, self.parents))
        return (
            f"SELECT c.who, p.who FROM (SELECT {self.child.identity} AS who{of_child}"
            f" FROM {self.child.name} WHERE {condition}) c"
            f" JOIN (SELECT {self.parent.identity} AS who{of_parent} FROM {self.parent.name}"
            f" WHERE {self.parent.identity} = ANY (ARRAY[{wanted}])) p ON {equal}"
        )


async def clash(engine: Engine, participant: Participant, newer: Iterable[Entry]) -> bool:
    """Tell whether a foreign key's implicit lock and a FOR UPDATE meet: one is ours, the other was committed since.

    The transaction must be live, and its backend ours to use.
    """
    transaction = participant.transaction
    assert transaction is not None
    taken: dict[str, list[str]] = {}
    for entry in newer:
        if entry.fact is Fact.TAKEN:
            taken.setdefault(entry.oid, []).append(entry.identity)
    locked = _locked(transaction) if transaction.sequence < engine.sequence else {}
    if not (taken and transaction.wrote) and not locked:
        return False
    references = (await engine.tables.current(engine.catalog)).references
    ends = [
        oid
        for each in references
        if each.parent in taken.keys() | locked
        for oid in (each.child, each.parent)
    ]
    tables = {table.oid: table for table in await engine.tables.of(ends, engine.catalog)}
    made = made_by(transaction.snapshot_end)
    for look in _looks(references, tables, taken if transaction.wrote else {}):
        if await _own(participant, look.sql(made)) - await _committed(engine, look.sql()):
            return True
    for look in _looks(references, tables, locked):
        if await _committed(engine, look.sql()) - await _own(participant, look.sql()):
            return True
    return False


def _locked(transaction: Transaction) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (table, identity), lock in transaction.locks.rows.items() if transaction.locks is not None else ():
        if lock.strength is Strength.UPDATE:
            found.setdefault(table.oid, []).append(identity)
    return found


def _looks(
    references: Iterable[Reference], tables: dict[str, Table], parents: dict[str, list[str]]
) -> Iterator[_Look]:
    for each in references:
        if each.parent in parents and each.parent in tables and each.child in tables:
            yield _Look(each, tables[each.child], tables[each.parent], tuple(parents[each.parent]))


Pairs = set[tuple[str, str]]


async def _own(participant: Participant, sql: str) -> Pairs:
    """Return child and parent as the transaction sees them."""
    rows = await participant.backend.rows(
        f"SAVEPOINT local_dsql_look; {AS_SUPERUSER}{sql};"
        " ROLLBACK TO SAVEPOINT local_dsql_look; RELEASE SAVEPOINT local_dsql_look"
    )
    return {(str(child), str(parent)) for child, parent in rows}


async def _committed(engine: Engine, sql: str) -> Pairs:
    """Return child and parent as they are committed."""
    return {(str(child), str(parent)) for child, parent in await engine.control.exclusive_rows(sql)}
