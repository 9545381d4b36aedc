"""Histories of list-append transactions: what each client did, saw and was told, on one clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Outcome: TypeAlias = Literal["ok", "fail", "info"]
"""`fail` only if the server said so; `info` where nobody knows, such as a connection lost during COMMIT."""


@dataclass(frozen=True, slots=True)
class Append:
    """A value put at the end of a key's list; no value is ever appended to the same key twice."""

    key: str
    value: int


@dataclass(frozen=True, slots=True)
class Read:
    """A key's whole list as the transaction saw it."""

    key: str
    values: tuple[int, ...]


Operation: TypeAlias = Append | Read


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of a client; times are seconds of one monotonic clock, before BEGIN and after COMMIT's answer."""

    id: int
    process: int
    start: float
    end: float
    outcome: Outcome
    operations: tuple[Operation, ...]


def json_lines(history: Iterable[Transaction]) -> Iterator[str]:
    """Yield the history as Jepsen's lines of JSON, which elle-cli and adya read: an `invoke` and an answer for each."""
    events = [
        (moment, kind, transaction)
        for transaction in history
        for moment, kind in ((transaction.start, "invoke"), (transaction.end, transaction.outcome))
    ]
    # Where a clock tick is shared, an answer comes before the next invocation, so that no process runs two at once.
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
