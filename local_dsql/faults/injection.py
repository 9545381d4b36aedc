"""Fault injections, and the COMMITs that they match."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.faults.keys import row_text
from local_dsql.faults.schedule import check_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.faults.keys import Key


class Fault(enum.Enum):
    """Fault injected into a COMMIT."""

    OC000 = "OC000"
    """The COMMIT fails with 40001: change conflicts with another transaction."""
    OC001 = "OC001"
    """The COMMIT fails with 40001: schema has been updated by another transaction."""
    LOST = "connection-lost"
    """The connection breaks before anything is committed."""
    UNKNOWN = "outcome-unknown"
    """The connection breaks after the COMMIT, before its reply."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A COMMIT before it runs, as passed to a predicate.

    Attributes:
        role: database role of the session.
        region: Region of the endpoint.
        tables: tables that its statements write, as spelled there, in lower case and without schema.
        rows: primary keys of the changed rows by table, as PostgreSQL prints a row: `(7)`, `(eu,7)`; ctid of a row
            whose
            table has no key. Includes rows changed by foreign key actions.
        statements: texts of its statements that write or lock rows, without parameters; only those that ran after an
            injection with a predicate was armed.
        number: 1 for the first COMMIT that the injection's predicate was evaluated for, 2 for the second, and so on.
    """

    role: str
    region: str
    tables: frozenset[str]
    rows: Mapping[str, frozenset[str]] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    number: int = 1

    def changes(self, table: str, key: Key | None = None) -> bool:
        """Return whether rows of a table are changed, or the row with this primary key.

        Args:
            table: with or without its schema.
            key: value of the primary key, a tuple if it has several columns; None: any row.
        """
        rows = self.rows.get(bare(table), frozenset())
        return bool(rows) if key is None else row_text(key) in rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault, and the COMMITs that it hits. Read-only COMMITs never match and are not counted.

    Attributes:
        fault: the fault.
        times: number of COMMITs that fail; None: all that match, until the injection is removed.
        every: fail only every Nth COMMIT that matches; 1: each.
        table: match only COMMITs that change this table; None: any.
        key: match only COMMITs that change the row of `table` with this primary key, as PostgreSQL prints a row; None:
            any.
        role: match only COMMITs of this database role; None: any.
        region: match only COMMITs through the endpoint of this Region; None: any.
        predicate: name and location of the predicate that must return true; None: no predicate.
    """

    fault: Fault = Fault.OC000
    times: int | None = 1
    every: int = 1
    table: str | None = None
    key: str | None = None
    role: str | None = None
    region: str | None = None
    predicate: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: `times` or `every` is not positive, or `key` is given without `table`.
        """
        check_schedule(self)
        if self.key is not None and self.table is None:
            raise ValueError("key needs table: a primary key belongs to one table")

    def concerns(self, attempt: Attempt) -> bool:
        """Return whether role, Region and table match."""
        if self.role not in (None, attempt.role) or self.region not in (None, attempt.region):
            return False
        return self.table is None or bare(self.table) in attempt.tables

    def matches(self, attempt: Attempt) -> bool:
        """Return whether all conditions but the predicate match."""
        if not self.concerns(attempt):
            return False
        if self.key is None or self.table is None:
            return True
        return self.key in attempt.rows.get(bare(self.table), ())


def bare(table: str) -> str:
    """Return the name of a table in lower case and without schema."""
    return table.lower().rpartition(".")[2]
