"""Replication of tables between Regions: the last writer wins, after a delay.

Source: AWS developer guide, "How DynamoDB global tables work": multi-Region eventual consistency.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.items import Change

    Place = tuple[str, str, tuple[bytes, bytes]]


@dataclass(order=True)
class Arrival:
    """A change on its way to another Region: it arrives at `at`, and was written at `written` in `origin`."""

    at: float
    number: int
    region: str = field(compare=False)
    table: str = field(compare=False)
    key: tuple[bytes, bytes] = field(compare=False)
    after: Item | None = field(compare=False)
    written: tuple[float, str] = field(compare=False)


class Replication:
    """Changes on their way, and the time of the last write of each item in each Region."""

    def __init__(self, apply: Callable[[Arrival], None]) -> None:
        """Start; `apply` writes an arrival into its Region."""
        self.delay = 0.5
        """Seconds from a write to its arrival in the other Regions."""
        self.replicas: dict[str, tuple[str, ...]] = {}
        """Regions of each replicated table."""
        self._apply = apply
        self._written: dict[Place, tuple[float, str]] = {}
        self._waiting: list[Arrival] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def record(self, changes: list[Change]) -> None:
        """Note the writes of a request, and send those of replicated tables on their way."""
        now = time.time()
        with self._changed:
            for change in changes:
                table = change.table
                regions = self.replicas.get(table.name, ())
                if table.region not in regions:
                    continue
                stamp = (now, table.region)
                self._written[(table.region, table.name, change.key)] = stamp
                for region in regions:
                    if region != table.region:
                        arrival = Arrival(
                            time.monotonic() + self.delay,
                            next(self._numbers),
                            region,
                            table.name,
                            change.key,
                            change.after,
                            stamp,
                        )
                        heapq.heappush(self._waiting, arrival)
            self._changed.notify()

    def wins(self, arrival: Arrival) -> bool:
        """Return whether an arrival is newer than the state of its item, and note it then."""
        place = (arrival.region, arrival.table, arrival.key)
        if self._written.get(place, (0.0, "")) >= arrival.written:
            return False
        self._written[place] = arrival.written
        return True

    def settle(self) -> None:
        """Let everything on its way arrive now."""
        with self._changed:
            waiting, self._waiting = sorted(self._waiting), []
        for arrival in waiting:
            self._apply(arrival)

    def clear(self) -> None:
        """Forget everything on its way."""
        with self._changed:
            self._waiting.clear()
            self._written.clear()

    def close(self) -> None:
        """Stop."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped:
                    now = time.monotonic()
                    if self._waiting and self._waiting[0].at <= now:
                        break
                    self._changed.wait(self._waiting[0].at - now if self._waiting else None)
                if self._stopped:
                    return
                arrival = heapq.heappop(self._waiting)
            self._apply(arrival)
