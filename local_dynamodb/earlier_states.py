"""States of items before their last write, which reads with the fault `stale-read` see."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from local_dynamodb.engine.arrivals import Place

if TYPE_CHECKING:
    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.items import Change
    from local_dynamodb.engine.schema import Table

SECONDS = 10.0
"""Time for which a state counts; DynamoDB's copies agree within a second (AWS developer guide, "Read consistency")."""

ITEMS = 1000
"""Number of items whose earlier state is kept at most."""


class EarlierStates:
    """The state before the last write of items written lately.

    A state counts for `SECONDS`. That of a write while the fault is armed counts as long as it is kept, and nothing is
    forgotten meanwhile.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Place, tuple[float, bool, Item | None]] = OrderedDict()
        """The time of the last write, whether the fault was armed, and the state before."""

    def note(self, changes: list[Change], *, armed: bool) -> None:
        """Keep the states before some changes, and forget old ones unless the fault is armed."""
        now = time.monotonic()
        for change in changes:
            place = Place(change.table.region, change.table.name, change.key)
            self._known[place] = now, armed, change.before
            self._known.move_to_end(place)
        while not armed and self._known:
            written, _, _ = next(iter(self._known.values()))
            if len(self._known) <= ITEMS and written >= now - SECONDS:
                break
            self._known.popitem(last=False)

    def before(self, table: Table, key: tuple[bytes, bytes], item: Item | None) -> Item | None:
        """Return the state of an item before its last write; `item`, the present one, if it is not known."""
        known = self._known.get(Place(table.region, table.name, key))
        if known is None:
            return item
        written, armed, before = known
        return before if armed or written >= time.monotonic() - SECONDS else item

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
