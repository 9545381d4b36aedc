# Auto-generated from aio/counter.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Counters that many writers add to, spread over several items."""

from __future__ import annotations

import random
from dataclasses import replace

from .arguments import whole
from .keys import COUNTERS, own_key
from .once import once_of
from .values import decode_number, encode, exact_sum
from .writes import Add

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from decimal import Decimal
    from typing import NoReturn

    from ..shared.deadline import Deadline
    from .once import Once
    from .store import Store


_MOST_SHARDS = 10_000
"""Largest number of shards: their names have four digits."""


class Counter:
    """A number that is added to without reading it, spread over `shards` items.

    DynamoDB writes one item about a thousand times a second; more shards allow more additions, and make `value` read
    more items. The number of shards may be changed at any time.
    """

    def __init__(self, store: Store, name: str, shards: int) -> None:
        whole("shards", shards, 1, _MOST_SHARDS)
        self.name = name
        self.shards = shards
        self._store = store
        self._partition = own_key(COUNTERS, name, "0").pk

    def add(
        self, amount: int | Decimal = 1, *, once: str | Once | None = None, deadline: Deadline | None = None
    ) -> None:
        """Add a number, which may be negative.

        With `once` a repetition with the same id adds nothing to this counter; another counter, or a transaction, may
        use the same id.

        Raises:
            CommitOutcomeUnknown: the answer was lost, so the number may or may not be added; not with `once`, where
                the call can be repeated.
            TypeError: the amount is no number, or a float.
        """
        from ..shared.deadline import expires_at

        if isinstance(amount, (str, bool)) or "N" not in encode(amount, "amount"):
            raise TypeError(f"amount is of type {type(amount).__name__}; give an int or a Decimal")
        shard = random.randrange(self.shards)  # noqa: S311
        write, until = Add(own_key(COUNTERS, self.name, f"{shard:04d}"), amount), expires_at(deadline)
        identity = once_of(once)
        if identity is None:
            self._store.add(write, until)
            return
        self._add_once(write, replace(identity, scope=f"counter#{self.name}"), until)

    def _add_once(self, write: Add, identity: Once, until: float | None) -> None:
        from ..errors import RaceCondition
        from .items import live

        try:
            self._store.write([write, identity.put(None)], until)
        except RaceCondition:
            (record,) = self._store.read([identity.key], until)
            if live(record) is None or record is None:
                raise
            identity.result_in(record)  # refuses another payload

    def __reduce__(self) -> NoReturn:
        from ..shared.pickling import refuse

        refuse(self)

    def __repr__(self) -> str:
        return f"Counter({self.name!r}, shards={self.shards})"

    def value(self, *, deadline: Deadline | None = None) -> int | Decimal:
        """Return the sum of all shards; they are read one after the other, so additions meanwhile may be missing."""
        from ..shared.deadline import expires_at
        from .items import live

        until, after = expires_at(deadline), None
        total: int | Decimal = 0
        while True:
            records, after = self._store.page(self._partition, "", until, after=after)
            total = exact_sum([total, *(decode_number(each.data["N"]) for each in records if live(each))])
            if after is None:
                return total
