"""Fault injection: which request fails, and with which error; the vocabulary of `local_dsql.faults`."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from local_dsql.faults.schedule import Schedule, check_schedule


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
        for name in ("times", "every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(
                value, (int, type(None) if name == "times" else int)
            ):
                raise ValueError(f"{name} is of type {type(value).__name__}; give a whole number")
        for name in ("table", "key", "operation", "region"):
            value = getattr(self, name)
            if not isinstance(value, (str, type(None))):  # it would match nothing, and the fault never come
                raise ValueError(f"{name} is of type {type(value).__name__}; give text")
        check_schedule(self)
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
class Injector(Schedule[Injection]):
    """The armed injections."""

    def next_fault(self, attempt: Attempt) -> Fault | None:
        """Return the fault to inject into a request, or None. Every injection that matches counts the request."""
        found = self.next(lambda _, each: each.matches(attempt))
        return None if found is None else found.fault
