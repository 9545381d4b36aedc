"""Fault injection: which request fails, and with which error; the vocabulary of `local_dsql.faults`."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fault(enum.Enum):
    """Fault injected into a request."""

    CONFLICT = "TransactionConflict"
    """A write is refused because a transaction on the item is in progress; nothing is written."""
    THROTTLED = "Throttling"
    """The request is throttled; nothing is written."""
    UNPROCESSED = "unprocessed"
    """A batch is carried out in part: one half of it comes back as unprocessed."""
    LOST = "connection-lost"
    """The connection breaks before the request is carried out."""
    UNKNOWN = "outcome-unknown"
    """The connection breaks after the request was carried out, before its answer."""
    ERROR = "InternalServerError"
    """The service fails with the status 500, before the request is carried out."""
    STALE = "stale-read"
    """A read that is not consistent sees the state before the last write of each item."""
    MISSING_TOKEN = "token-forgotten"  # noqa: S105
    """A transaction is carried out whether its token was used before or not, as some emulators do."""


READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})

_OPERATIONS = {
    Fault.CONFLICT: WRITES - {"BatchWriteItem"},
    Fault.THROTTLED: READS | WRITES,
    Fault.UNPROCESSED: frozenset({"BatchGetItem", "BatchWriteItem"}),
    Fault.LOST: READS | WRITES,
    Fault.UNKNOWN: READS | WRITES,
    Fault.ERROR: READS | WRITES,
    Fault.STALE: READS - {"TransactGetItems"},
    Fault.MISSING_TOKEN: frozenset({"TransactWriteItems"}),
}
"""Requests that a fault can hit."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request before it is carried out: operation, Region, tables, and the text of the keys of its items."""

    operation: str
    region: str
    tables: frozenset[str]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault, and the requests that it hits.

    Attributes:
        fault: the fault.
        times: number of requests that fail; None: all that match, until the injection is removed.
        every: fail only every Nth request that matches; 1: each.
        table: match only requests on this table; None: any.
        key: match only requests on an item with this partition key; None: any.
        operation: match only this operation, such as `PutItem`; None: any that the fault can hit.
        region: match only requests to this Region; None: any.
    """

    fault: Fault
    times: int | None = 1
    every: int = 1
    table: str | None = None
    key: str | None = None
    operation: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: `times` or `every` is not positive, or the fault cannot hit the operation.
        """
        if self.every < 1 or (self.times is not None and self.times < 1):
            raise ValueError("times and every must be 1 or more")
        if self.operation is not None and self.operation not in _OPERATIONS[self.fault]:
            known = ", ".join(sorted(_OPERATIONS[self.fault]))
            raise ValueError(f"{self.fault.value} cannot hit {self.operation!r}; it hits {known}")

    def matches(self, attempt: Attempt) -> bool:
        """Return whether all conditions match."""
        if attempt.operation not in _OPERATIONS[self.fault]:
            return False
        if self.operation not in (None, attempt.operation) or self.region not in (None, attempt.region):
            return False
        if self.table is not None and self.table not in attempt.tables:
            return False
        return self.key is None or self.key in attempt.keys


@dataclass(slots=True)
class _Armed:
    injection: Injection
    seen: int = 0
    done: int = 0


@dataclass(slots=True)
class Injector:
    """The armed injections."""

    _armed: dict[int, _Armed] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, injection: Injection) -> int:
        """Arm an injection and return its number, for `remove`."""
        number = next(iter(self._numbers))
        self._armed[number] = _Armed(injection)
        return number

    def remove(self, number: int) -> None:
        """Disarm an injection; no error if it is used up or unknown."""
        self._armed.pop(number, None)

    def clear(self) -> None:
        """Disarm all injections."""
        self._armed.clear()

    def armed(self) -> dict[int, Injection]:
        """Return the armed injections by number."""
        return {number: each.injection for number, each in self._armed.items()}

    def next_fault(self, attempt: Attempt) -> Fault | None:
        """Return the fault to inject into a request, or None. Every injection that matches counts the request."""
        found = None
        for number, each in list(self._armed.items()):
            if not each.injection.matches(attempt):
                continue
            each.seen += 1
            if found is None and each.seen % each.injection.every == 0:
                each.done += 1
                found = each.injection.fault
                if each.done == each.injection.times:
                    self.remove(number)
        return found
