"""Records of locks: their life, and their renewal."""

from __future__ import annotations

import time

from ..errors import RaceCondition, TableLimitExceeded
from .arguments import whole
from .items import ABSENT, Lock, Record, next_version
from .keys import LOCKS, Key, own_key
from .writes import Put

LIFETIME = 24 * 3600
"""Seconds that a lock is accepted after it was last written."""

LAST_HOUR = 3600
"""Seconds before the end in which `get_lock` renews a lock."""

_NOTHING = {"NULL": True}


def lock_key(key: Key) -> Key:
    """Return the key under which the lock of a key is stored."""
    return own_key(LOCKS, key.pk, key.sk)


def is_fresh(record: Record, now: float) -> bool:
    """Return whether a lock lives longer than its last hour."""
    return record.expires_at is not None and record.expires_at > now + LAST_HOUR


def renewed(key: Key, known: int) -> Put:
    """Return the action that writes the lock of a key over the version `known`, with a new version and full life.

    An expired lock is written over its own version, too, and not over an absent one, so that its version grows.
    """
    expiry = int(time.time()) + LIFETIME
    return Put(Record(lock_key(key), _NOTHING, next_version(known), expiry), known)


def lock_of(key: Key, record: Record, table: str) -> Lock:
    """Return the lock of a key of a table."""
    return Lock(key.pk, key.sk, record.version, record.expires_at or 0, table)


def no_guard(given: object) -> TypeError:
    """Return the error that something is given as a lock."""
    return TypeError(f"a lock is a Lock or a Lease, not {type(given).__name__}; get_lock(key) returns one")


def has_no_lock(key: Key) -> bool:
    """Return whether a key is too long to have a lock."""
    try:
        lock_key(key)
    except TableLimitExceeded:
        return True
    return False


def check_lock(lock: Lock) -> None:
    """Check that the life of a lock has not ended.

    Raises:
        RaceCondition: it has expired; another process may have written since without a conflict on it.
        TypeError: its version or expiry is no number.
    """
    whole("version of the lock", lock.version, ABSENT)
    if whole("expires_at of the lock", lock.expires_at, 0) <= time.time():
        error = RaceCondition(
            "the lock has expired", advice="get the lock again, read again, and repeat the work"
        )
        error.keys = (lock.key,)
        raise error
