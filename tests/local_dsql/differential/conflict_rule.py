"""Aurora DSQL's rule of conflicts, as a table over rows; it knows nothing of any engine.

The table is that of the user guide ("Concurrency control", rows of two transactions that overlap).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RowId: TypeAlias = tuple[str, int]
"""A table and the number of one of its rows, which an UPDATE keeps."""


class Strength(enum.IntEnum):
    """Strength of the lock that a transaction has taken on a row of its snapshot."""

    KEY_SHARE = 1
    """A reference, or FOR KEY SHARE."""
    VALUES = 2
    """UPDATE of columns that belong to no key."""
    WHOLE = 3
    """DELETE, UPDATE of a key, or FOR UPDATE."""


CONFLICTS = frozenset(
    {
        (Strength.KEY_SHARE, Strength.WHOLE),
        (Strength.VALUES, Strength.VALUES),
        (Strength.VALUES, Strength.WHOLE),
        (Strength.WHOLE, Strength.KEY_SHARE),
        (Strength.WHOLE, Strength.VALUES),
        (Strength.WHOLE, Strength.WHOLE),
    }
)


@dataclass
class Taken:
    """The rows that a transaction has taken.

    `sure` counts in every reading of the rule. `possible` counts in some: a key set to another text of the same
    value, a row taken by a statement whose effect a later one of the same transaction has undone.
    """

    sure: dict[RowId, Strength] = field(default_factory=dict)
    possible: dict[RowId, Strength] = field(default_factory=dict)

    def take(self, row: RowId, strength: Strength, *, sure: bool = True) -> None:
        """Add a row; the strongest one counts."""
        for kind in (self.sure, self.possible) if sure else (self.possible,):
            kind[row] = max(strength, kind.get(row, strength))

    def add(self, other: Taken) -> None:
        """Add all rows of another."""
        for row, strength in other.possible.items():
            self.take(row, strength, sure=False)
        for row, strength in other.sure.items():
            self.take(row, strength)


def meets(own: Mapping[RowId, Strength], others: Iterable[Mapping[RowId, Strength]]) -> RowId | None:
    """Return a row in which a transaction conflicts with one of those that have committed since its snapshot."""
    for theirs in others:
        for row in own.keys() & theirs.keys():
            if (own[row], theirs[row]) in CONFLICTS:
                return row
    return None
