"""Actions of one atomic write, and the checks of its limits before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..errors import TableLimitExceeded
from .keys import LEASES, LOCKS, shown
from .limits import ACTIONS, ITEM_BYTES, TRANSACTION_BYTES
from .values import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from .items import Record
    from .keys import Key


@dataclass(frozen=True, slots=True)
class Check:
    """The item must have the version `expects`; `ABSENT`: it must not exist, or have expired."""

    key: Key
    expects: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record, if the item has the version `expects`; None: in any case."""

    record: Record
    expects: int | None = None

    @property
    def key(self) -> Key:
        """The key of the record."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the item, if it has the version `expects`; None: in any case."""

    key: Key
    expects: int | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Add a number to the data of an item, which is a number; an absent item counts as zero."""

    key: Key
    amount: int | Decimal


Write: TypeAlias = "Check | Put | Delete | Add"

_OF_EVERY_ITEM = len("pkskdataversionttlwrite_id") + 2 * 12 + 32
"""Bytes of the names of the attributes, and of the two numbers and the identity of the write beside the data."""


def record_size(record: Record) -> int:
    """Return the bytes of an item, as DynamoDB counts them."""
    key = record.key
    return _OF_EVERY_ITEM + len(key.pk.encode()) + len(key.sk.encode()) + size(record.data)


def check_record(record: Record) -> int:
    """Return the bytes of an item.

    Raises:
        TableLimitExceeded: it is larger than DynamoDB's items may be.
    """
    bytes_ = record_size(record)
    if bytes_ > ITEM_BYTES:
        raise TableLimitExceeded(
            f"an item has {bytes_:,} bytes, and one may have {ITEM_BYTES:,}",
            detail=repr(tuple(record.key)),
            advice="store large data in S3 and its key here, or split it over several items",
        )
    return bytes_


def check_atomic(writes: Sequence[Write]) -> None:
    """Check that the actions fit into one atomic write.

    Raises:
        TableLimitExceeded: there are too many actions or bytes, or one item is too large.
        ValueError: two actions are on the same item.
    """
    if len(writes) > ACTIONS:
        raise TableLimitExceeded(
            f"the atomic write has {len(writes)} actions (writes, and items that were only read), and one may have "
            f"{ACTIONS}",
            advice="read and write fewer items at once, or use set() where no atomicity is needed",
        )
    check_distinct(write.key for write in writes)
    total = sum(check_record(write.record) for write in writes if isinstance(write, Put))
    if total > TRANSACTION_BYTES:
        raise TableLimitExceeded(
            f"the items of the atomic write have {total:,} bytes, and one may have {TRANSACTION_BYTES:,}",
            advice="write fewer or smaller items at once",
        )


def check_distinct(keys: Iterable[Key]) -> None:
    """Check that no key comes twice.

    Raises:
        ValueError: one does.
    """
    seen: set[Key] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"{_named(key)} twice in one call; give it once")
        seen.add(key)


def _named(key: Key) -> str:
    """Return the name of an item as the caller gave it, and the verb."""
    if key.pk.startswith(LEASES):
        return f"the lease {key.pk.removeprefix(LEASES)!r} is given"
    name, action = ("lock of", "given") if key.pk.startswith(LOCKS) else ("item", "written")
    return f"the {name} {tuple(shown(key))!r} is {action}"
