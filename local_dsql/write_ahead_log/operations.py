"""Changes of single row versions in the write-ahead log."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple


class LockStrength(IntEnum):
    """PostgreSQL's row locks, weakest first (documentation of PostgreSQL 16, 13.3.2)."""

    KEY_SHARE = 1
    SHARE = 2
    NO_KEY_UPDATE = 3
    UPDATE = 4


class OperationKind(Enum):
    """Kinds of row operations."""

    INSERT = "insert"
    DELETE = "delete"
    UPDATE = "update"
    LOCK = "lock"
    LOCK_UPDATED = "lock updated"
    """A lock on a newer version than the one that the statement has locked. PostgreSQL follows the chain of updates by
    others, which the statement's snapshot does not show."""


class Place(NamedTuple):
    """The place of a row version in its file: a `ctid`."""

    block: int
    offset: int


class RowOperation(NamedTuple):
    """One change or lock of one row version.

    Attributes:
        kind: kind of the operation.
        file: file of the table (`pg_relation_filenode`). TRUNCATE and rewrites give a table a new file. Tables of
            out-of-line values (TOAST) and system catalogs have operations of their own.
        old: version that was updated, deleted or locked; None for an INSERT.
        new: version that was made; None for all but INSERT and UPDATE.
        strength: lock that the operation takes on `old`; None for an INSERT.
        multixact: number of the MultiXact whose members have the strength, if the reader has not seen its creation;
            `strength` is then the strongest of all members. 0 otherwise.
        lsn: position of the record in the log.
        keys_unchanged: an UPDATE that kept all columns of unique indexes to which a foreign key could refer, whatever
            its lock. HOT updates keep all indexed columns. False if the log does not show it: the same subtransaction
            has locked the row FOR UPDATE before.
    """

    kind: OperationKind
    file: int
    old: Place | None
    new: Place | None
    strength: LockStrength | None
    multixact: int
    lsn: int
    keys_unchanged: bool = False
