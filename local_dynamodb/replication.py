"""Replication of tables between Regions: the last writer wins, after a delay.

Source: AWS developer guide, "How DynamoDB global tables work": multi-Region eventual consistency.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from typing import TYPE_CHECKING

from local_dynamodb.engine.arrivals import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb.engine.arrivals import Arrival
    from local_dynamodb.engine.items import Change, ItemStore

_DELAY = 0.5
"""Seconds from a write to its arrival in the other Regions, unless it is set."""

_DELAY_SETTING = "replication delay"

_AT_ONCE = 100
"""Arrivals of one transaction; other requests come in between."""

_PAUSE = 0.001
"""Seconds between two such transactions."""

_LONGEST_PAUSE = 3600.0
"""Seconds until the thread looks again, however late the next change is; Python cannot wait for centuries."""

_AFTER_ERROR = 1.0
"""Seconds until a delivery is tried again after an error, such as a full disk."""


class Replication:
    """Sends changes on their way, and delivers them.

    All state but the stopped Regions is in the store, so that it survives the process. No Region waits for another.
    """

    def __init__(
        self, store: ItemStore, lock: threading.RLock, applied: Callable[[list[Change]], None]
    ) -> None:
        """Start; `lock` is held by every user of the store, and `applied` is called with changes that have arrived."""
        self.stopped: set[str] = set()
        """Regions in which nothing arrives."""
        self._store = store
        self._applied = applied
        self._next: float | None = None
        self._changed = threading.Condition(lock)
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def delay(self) -> float:
        """Seconds from a write to its arrival in the other Regions."""
        known = self._store.setting(_DELAY_SETTING)
        return _DELAY if known is None else float(known)

    def set_delay(self, seconds: object) -> None:
        """Set `delay` for further writes.

        Raises:
            ValueError: it is not a number of seconds.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
            raise ValueError(f"the delay is {seconds!r}; give a number of seconds, 0 or more")
        with self._changed, self._store.transaction():
            self._store.put_setting(_DELAY_SETTING, str(seconds))

    def record(self, changes: list[Change]) -> None:
        """Send the writes of replicated tables on their way; the caller has lock and transaction of the request."""
        arrivals = self._store.arrivals
        for change in changes:
            regions = self._store.replicas.get(change.table.name, ())
            if change.table.region not in regions:
                continue
            at = time.time() + self.delay
            arrivals.supersede(Place(change.table.region, change.table.name, change.key))
            for region in regions:
                if region == change.table.region:
                    continue
                place = Place(region, change.table.name, change.key)
                if region in self.stopped:  # only the last one would be seen, however long it stays stopped
                    arrivals.supersede(place)
                arrivals.send(place, change.after, at)
            if self._next is None or at < self._next:
                self._changed.notify()

    def start_region(self, region: str) -> None:
        """Let arrive in a Region what has waited for it."""
        with self._changed:
            self.stopped.discard(region)
            self._changed.notify()

    def settle(self) -> None:
        """Let everything on its way arrive now; in stopped Regions, when they are started."""
        with self._changed:
            with self._store.transaction():
                self._store.arrivals.hasten()
            while self._deliver(time.time()) == 0:
                pass

    def close(self) -> None:
        """Stop; what is on its way arrives after the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                try:
                    left = self._deliver(time.time())
                except Exception as error:  # the thread must not end: nothing would arrive any more
                    reason = f"{type(error).__name__}: {error}"
                    print(f"error: changes cannot be delivered to other Regions: {reason}", file=sys.stderr)
                    left = _AFTER_ERROR
                self._next = None if left is None else time.time() + left
                self._changed.wait(None if left is None else min(max(left, _PAUSE), _LONGEST_PAUSE))

    def _deliver(self, now: float) -> float | None:
        """Apply some of what is due, and return the seconds until more is due; None if nothing is on its way."""
        running = {region for regions in self._store.replicas.values() for region in regions} - self.stopped
        for region in sorted(running):
            due = self._store.arrivals.due(region, now, _AT_ONCE)
            if due:
                with self._store.transaction():
                    for arrival in due:
                        self._apply(arrival)
                self._applied(self._store.take_changes())
        times = [at for region in running if (at := self._store.arrivals.next_at(region)) is not None]
        return max(0.0, min(times) - now) if times else None

    def _apply(self, arrival: Arrival) -> None:
        if not self._store.arrivals.take(arrival):
            return
        table = self._store.tables.get((arrival.to.region, arrival.to.name))
        if table is None:
            return
        if arrival.after is None:
            self._store.delete(table, arrival.to.key)
        else:
            self._store.put(table, arrival.to.key, arrival.after)
