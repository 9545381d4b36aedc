"""Histories of list-append transactions: operations and results of each client, on one clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Outcome: TypeAlias = Literal["ok", "fail", "info"]
"""`fail` only after an error response; `info` if the outcome is unknown, such as a connection lost during COMMIT."""


@dataclass(frozen=True, slots=True)
class Append:
    """An append of a value to the list of a key; values are unique per key."""

    key: str
    value: int


@dataclass(frozen=True, slots=True)
class Read:
    """A read of the whole list of a key."""

    key: str
    values: tuple[int, ...]


Operation: TypeAlias = Append | Read


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of a client; times are seconds of one monotonic clock, before BEGIN and after COMMIT's reply."""

    id: int
    process: int
    start: float
    end: float
    outcome: Outcome
    operations: tuple[Operation, ...]


def json_lines(history: Iterable[Transaction]) -> Iterator[str]:
    """Yield the history in Jepsen's JSON lines, for elle-cli and adya: an invocation and a completion each."""
    events = [
        (moment, kind, transaction)
        for transaction in history
        for moment, kind in ((transaction.start, "invoke"), (transaction.end, transaction.outcome))
    ]
    # At equal times a completion comes before the next invocation, so that no process overlaps with itself.
    for index, (moment, kind, transaction) in enumerate(
        sorted(events, key=lambda event: (event[0], event[1] == "invoke"))
    ):
        yield json.dumps(
            {
                "index": index,
                "type": kind,
                "f": "txn",
                "process": transaction.process,
                "time": round(moment * 1e9),
                "value": [_value(each, answered=kind == "ok") for each in transaction.operations],
            }
        )


def _value(operation: Operation, *, answered: bool) -> list[object]:
    if isinstance(operation, Append):
        return ["append", operation.key, operation.value]
    return ["r", operation.key, list(operation.values) if answered else None]
