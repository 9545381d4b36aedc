"""Records of leases."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .items import ABSENT, Record, new_write_id, next_version
from .keys import LEASES, own_key
from .writes import Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keys import Key

KEPT = 7 * 24 * 3600
"""Seconds for which the record of an ended lease is kept."""

POLL = 0.2
"""Seconds between two looks at a lease that another process has, at most; less near its end."""


def lease_key(name: str) -> Key:
    """Return the key under which a lease is stored."""
    return own_key(LEASES, name, "lease")


def held_until(record: Record | None) -> float:
    """Return the time, in seconds since the epoch, at which the lease of a record ends; 0 if it has none."""
    return 0.0 if record is None else int(record.data["M"]["until"]["N"]) / 1000


def lease_put(key: Key, known: Record | None, token: int, until: float, owner: str) -> Put:
    """Return the action that writes a lease over a known record, or over the version `token`.

    Its data is unique, so that a holder recognizes its own write.
    """
    content = {
        "M": {
            "until": {"N": str(int(until * 1000))},
            "owner": {"S": owner},
            "write_id": {"S": new_write_id()},
        }
    }
    seen = token or (ABSENT if known is None else known.version)
    return Put(Record(key, content, next_version(seen), int(max(until, time.time())) + KEPT), seen)


def _wall_clock() -> float:
    return time.time()


class Term:
    """The time that a lease lasts, by the wall clock and by the monotonic one.

    A Lambda sandbox that is frozen between invocations may stop the monotonic clock, and the wall clock may be set
    back, so the one that leaves less time counts.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or _wall_clock
        self.until = self._clock() + seconds
        self._monotonic = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds that are left; 0 at the end."""
        return max(0.0, min(self.until - self._clock(), self._monotonic - time.monotonic()))
