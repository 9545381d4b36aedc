"""Conflicts on request, so that a test can see what an application does about them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.faults.keys import row_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.faults.keys import Key


class Fault(enum.Enum):
    """What happens to the COMMIT."""

    OC000 = "OC000"
    """It fails with 40001: change conflicts with another transaction."""
    OC001 = "OC001"
    """It fails with 40001: schema has been updated by another transaction."""
    LOST = "connection-lost"
    """The connection breaks before anything is committed."""
    UNKNOWN = "outcome-unknown"
    """The connection breaks after the COMMIT, before its answer."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A COMMIT about to happen, as a predicate sees it.

    Attributes:
        role: database role of the session.
        region: Region of the endpoint that it came through.
        tables: tables that its statements change, as these spell them, in lower case and without schema.
        rows: primary keys of the rows that it has changed by table, as PostgreSQL prints a row: `(7)`, `(eu,7)`;
            the place of a row whose table has no key. Rows that a foreign key changes by itself are among them.
        statements: texts of its statements that change or lock something, without parameters; only those that came
            after an injection with a predicate was armed.
        number: 1 for the first COMMIT that this injection's predicate was asked about, 2 for the second, and so on.
    """

    role: str
    region: str
    tables: frozenset[str]
    rows: Mapping[str, frozenset[str]] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    number: int = 1

    def changes(self, table: str, key: Key | None = None) -> bool:
        """Tell whether rows of a table are changed, or the one with this primary key.

        Args:
            table: with or without its schema.
            key: value of the primary key, a tuple where it has several columns; None: any row.
        """
        rows = self.rows.get(bare(table), frozenset())
        return bool(rows) if key is None else row_text(key) in rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Which COMMITs fail, and how. COMMITs that change nothing are never counted and never fail.

    Attributes:
        fault: what happens.
        times: how many COMMITs it happens to; None: all that match, until it is removed.
        every: it happens to every so many-th COMMIT that matches; 1: to each.
        table: only COMMITs that change this table match; None: all match.
        key: only COMMITs that change the row of `table` with this primary key, as PostgreSQL prints a row.
        role: only COMMITs of this database role match; None: of all.
        region: only COMMITs through this Region's endpoint match; None: through all.
        predicate: name and place of the predicate that has the last word; None: there is none.
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
        """Check what is given.

        Raises:
            ValueError: `times` or `every` is not positive, or `key` is given without `table`.
        """
        if self.every < 1 or (self.times is not None and self.times < 1):
            raise ValueError("an injection happens at least once: times and every must be 1 or more")
        if self.key is not None and self.table is None:
            raise ValueError("a key is one of some table's: give the table with it")

    def concerns(self, attempt: Attempt) -> bool:
        """Tell whether the COMMIT is one of the role, Region and table."""
        if self.role not in (None, attempt.role) or self.region not in (None, attempt.region):
            return False
        return self.table is None or bare(self.table) in attempt.tables

    def matches(self, attempt: Attempt) -> bool:
        """Tell whether the COMMIT is one that may fail, as far as no predicate has to be asked."""
        if not self.concerns(attempt):
            return False
        if self.key is None or self.table is None:
            return True
        return self.key in attempt.rows.get(bare(self.table), ())


def bare(table: str) -> str:
    """Return the name of a table in lower case and without schema."""
    return table.lower().rpartition(".")[2]
