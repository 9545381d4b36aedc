"""Keys of items, and the partitions that this library keeps for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from ..errors import TableLimitExceeded
from .arguments import of_type, several
from .limits import PARTITION_KEY_BYTES, SORT_KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable


class Key(NamedTuple):
    """Key of an item: partition key and sort key."""

    pk: str
    sk: str


class Keyed(Protocol):
    """An item or a lock, which has a key."""

    @property
    def pk(self) -> str: ...
    @property
    def sk(self) -> str: ...


KeyLike: TypeAlias = tuple[str, str] | Keyed
"""A key: a `Key`, a pair of strings, or an item or lock that has one."""

LOCKS = "__LOCK__"
LEASES = "__LEASE__"
COUNTERS = "__COUNTER__"
ONCE = "__ONCE__"
QUEUES = "__FIFO__"
QUEUE_IDS = "__FIFO_DEDUP__"

RESERVED = (LOCKS, LEASES, COUNTERS, ONCE, QUEUES, QUEUE_IDS)
"""Beginnings of `pk` of items that this library makes."""


def key_of(given: object) -> Key:
    """Return the key that a caller gave.

    Raises:
        TypeError: it is no key, or a part of it is not text.
        ValueError: a part is empty, cannot be written in UTF-8, or `pk` begins as those of this library.
        TableLimitExceeded: a part is too long.
    """
    pair = given if isinstance(given, tuple) else (getattr(given, "pk", None), getattr(given, "sk", None))
    if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        parts = " and ".join(type(part).__name__ for part in pair)
        said = type(given).__name__ if pair == (None, None) else f"{type(given).__name__} with {parts}"
        raise TypeError(f"a key is a pair of strings, such as ('user#1', 'profile'), not {said}")
    key = Key(*pair)
    if key.pk.startswith(RESERVED):
        raise ValueError(
            f"pk begins with one of {', '.join(RESERVED)}, which are kept for locks, leases, counters and queues; "
            "choose another beginning"
        )
    return checked(key)


def check_place(pk: object, prefix: object, after: object) -> None:
    """Check the partition of a query, the beginning of `sk`, and the place after which it begins.

    That is the `sk` of an item, an empty text or None. Errors are those of `key_of`.
    """
    for name, value in (("pk", pk), ("prefix", prefix)):
        if not isinstance(value, str):
            raise of_type(name, value, "text")
    key_of((pk, prefix or "-"))
    if after is not None and not isinstance(after, str):
        raise of_type("after", after, "the sk of the last item")
    if after:
        key_of((pk, after))


def shown(key: Key) -> Key:
    """Return the key to name in errors: that of a lock is the one that was given to `get_lock`."""
    return Key(key.pk.removeprefix(LOCKS), key.sk)


def own_key(partition: str, pk: str, sk: str) -> Key:
    """Return a key in one of the partitions of this library; errors are those of `key_of`."""
    for name in (pk, sk):
        if not isinstance(name, str):
            raise TypeError(f"a name or an id is text, not {type(name).__name__}; convert it with str()")
        if not name:
            raise ValueError("a name or an id is empty; give it at least one character")
    return checked(Key(partition + pk, sk), len(partition))


def checked(key: Key, own: int = 0) -> Key:
    """Return the key if DynamoDB accepts it; errors are those of `key_of`, without the first `own` bytes of `pk`."""
    parts = (("pk", key.pk, PARTITION_KEY_BYTES, own), ("sk", key.sk, SORT_KEY_BYTES, 0))
    for name, value, limit, own_bytes in parts:
        if not value:
            raise ValueError(
                f"{name} is empty; DynamoDB has no empty keys, so give it at least one character"
            )
        size = len(utf8(value, name))
        if size > limit:
            raise TableLimitExceeded(
                f"{name} has {size - own_bytes:,} bytes, and a key of this kind may have {limit - own_bytes:,}",
                advice="shorten it, or use a digest of it",
            )
    return key


def utf8(text: str, name: str) -> bytes:
    """Return text in UTF-8.

    Raises:
        ValueError: it has half of a surrogate pair, which UTF-8 cannot represent.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not Unicode text: {error.reason} at character {error.start}") from None


def keys_of(given: Iterable[object]) -> list[Key]:
    """Return the keys that a caller gave; errors are those of `key_of`."""
    if is_one_key(given):
        raise TypeError(f"several keys are given as a list, not as {type(given).__name__}")
    return [key_of(key) for key in several(given, "several keys are given as a list")]


def is_one_key(given: object) -> bool:
    """Return whether a caller gave one key, and not several."""
    if isinstance(given, tuple):
        return len(given) == 2 and all(isinstance(part, str) for part in given)
    return hasattr(given, "pk") and hasattr(given, "sk")
