"""Items, locks and records: what callers write and read, and how it is stored."""

from __future__ import annotations

import time
import typing
import uuid
from dataclasses import dataclass, field
from time import time_ns
from typing import Generic, TypeVar

from .arguments import whole
from .keys import Key, key_of
from .typed import typed
from .values import AttributeValue, decode, encode

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")
U = TypeVar("U")

ABSENT = 0
"""The version of an item that does not exist, or has expired."""


_LATEST = 100_000_000_000
"""Largest time to live: a greater one is a time in milliseconds, and the item would stay for ever."""


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One item: key, data, version, and the time at which it expires."""

    pk: str
    sk: str
    data: T = field(repr=False)
    version: int | None = None
    """Changes with every write, and grows with every one that is conditional; None for an item that was not read."""
    expires_at: int | None = None
    """Seconds since the epoch from which on reads do not see the item; None: never."""
    table: str | None = field(default=None, compare=False, repr=False)
    """Table that the item was read from; its version counts there only."""

    @property
    def key(self) -> Key:
        """The key."""
        return Key(self.pk, self.sk)

    def with_data(self, data: U) -> Item[U]:
        """Return the item with other data, and the version that it was read with.

        `set_atomic` and transactions write it only if it still has this version.
        """
        return Item(self.pk, self.sk, data, self.version, self.expires_at, self.table)


@dataclass(frozen=True, slots=True)
class Lock:
    """An optimistic lock: `set_atomic` succeeds only if it still has this version."""

    pk: str
    sk: str
    version: int
    """A fencing token: it grows with every write under the lock, and is never reset."""
    expires_at: int
    """Seconds since the epoch from which on the lock is not accepted any more."""
    table: str | None = field(default=None, compare=False, repr=False)
    """Table that has the lock."""

    @property
    def key(self) -> Key:
        """The key of the lock, as it was given to `get_lock`."""
        return Key(self.pk, self.sk)


@dataclass(frozen=True, slots=True)
class Record:
    """An item as it is stored, expired or not."""

    key: Key
    data: AttributeValue = field(repr=False)
    version: int
    expires_at: int | None = None
    write_id: str | None = None
    """The write that made it, as it was read from the store. Two writers may draw the same version."""

    def expired(self, now: float) -> bool:
        """Return whether reads at the time `now` (seconds since the epoch) must not see it."""
        return self.expires_at is not None and self.expires_at <= now


def new_write_id() -> str:
    """Return the identity of one write, by which it is recognized after a lost answer."""
    return uuid.uuid4().hex


def next_version(known: int = ABSENT) -> int:
    """Return a version that is greater than `known`.

    It is the time in nanoseconds, so that an item that is deleted and made again does not get an old version. Two
    writers whose clocks are behind draw the same one; it is stored by one of them only.
    """
    return max(known + 1, time_ns())


def no_item(given: object) -> TypeError:
    """Return the error that something is given as an item."""
    return TypeError(f"an item is given as Item(pk, sk, data), not as {type(given).__name__}")


def version_of(item: Item[typing.Any], table: str) -> int | None:
    """Return the version that an item was read with from a table; None for an item that was not read.

    Raises:
        TypeError: it is no item, or its version no number.
        ValueError: it is of another table.
    """
    if not isinstance(item, Item):
        raise no_item(item)
    check_table(item.table, table, "item")
    return None if item.version is None else whole("version", item.version, ABSENT)


def record_of(item: Item[typing.Any], known: int = ABSENT) -> Record:
    """Return the record that stores an item over one with the version `known`; errors are those of `encode`."""
    if not isinstance(item, Item):
        raise no_item(item)
    if item.version is not None:
        whole("version", item.version, ABSENT)
    expiry = item.expires_at
    if expiry is not None and (isinstance(expiry, bool) or not isinstance(expiry, int)):
        raise TypeError(
            f"expires_at is of type {type(expiry).__name__}; give whole seconds since the epoch as an int"
        )
    if expiry is not None and expiry > _LATEST:
        raise ValueError(
            f"expires_at is {expiry}, after the year 5000; give seconds since the epoch, not milliseconds"
        )
    return Record(key_of(item), encode(item.data), next_version(known), expiry)


def several(given: Item[typing.Any] | Iterable[Item[typing.Any]]) -> Iterable[Item[typing.Any]]:
    """Return the items that a caller gave, one or many.

    Raises:
        TypeError: they are none, such as a dict.
    """
    if isinstance(given, Item):
        return [given]
    if isinstance(given, (str, dict)) or hasattr(given, "_fields") or not hasattr(given, "__iter__"):
        raise no_item(given)
    return given


def live(record: Record | None, now: float | None = None) -> Record | None:
    """Return the record, or None if it has expired: DynamoDB deletes expired items days later."""
    if record is None or record.expired(time.time() if now is None else now):
        return None
    return record


def item_of(record: Record | None, data_type: type[typing.Any] | None, table: str) -> Item[typing.Any] | None:
    """Return the item of a record of a table, None for an absent or expired one; its data is made a `data_type`.

    Raises:
        TypeError: the data does not fit the type.
    """
    found = live(record)
    if found is None:
        return None
    data = typed(decode(found.data), data_type)
    return Item(found.key.pk, found.key.sk, data, found.version, found.expires_at, table)


def check_table(of: str | None, table: str, kind: str) -> None:
    """Check that an item, lock, lease or message is of this table, as far as it is known.

    Raises:
        ValueError: it is of another table, where alone its version counts.
    """
    if of is not None and of != table:
        raise ValueError(
            f"the {kind} is of the table {of}, and this is {table}; use it with the table that it came from"
        )
