"""Changes of one transaction while it is suspended: they are kept here, outside of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_dsql.engine.commands import Parameter
    from local_dsql.engine.table_shapes import Table
    from local_dsql.write_ahead_log.changes import TableChanges


@dataclass(frozen=True, slots=True)
class CapturedTable:
    """The net changes of one table, and the images of the rows made, in PostgreSQL's binary form, never decoded.

    `updated` are the images of `changes.updates`, `inserted` those of `changes.inserts`, in the order of the places
    there. None: there are none.
    """

    table: Table
    changes: TableChanges
    updated: Parameter | None = None
    inserted: Parameter | None = None

    @property
    def images(self) -> tuple[Parameter, ...]:
        """The arrays of images that are not empty."""
        return tuple(each for each in (self.updated, self.inserted) if each is not None)

    def operations(self, replacing: bool) -> int:
        """Return the number of row operations that restore it."""
        changes = self.changes
        return len(changes.deletes) + len(changes.inserts) + len(changes.updates) * (1 + replacing)

    @property
    def counts(self) -> tuple[int, int]:
        """Number of base rows replaced or deleted, and number of rows made."""
        changes = self.changes
        return len(changes.updates) + len(changes.deletes), len(changes.made)


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Everything that a transaction has changed or locked, by table."""

    tables: tuple[CapturedTable, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is anything to restore."""
        return bool(self.tables)


NO_CHANGES = RowChanges()
