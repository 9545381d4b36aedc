"""Idempotent work: a record of its result, written in the same atomic write as the work itself."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import OnceMismatch
from .durations import seconds
from .items import ABSENT, Record, next_version
from .keys import ONCE, own_key
from .values import decode, encode
from .writes import Put

if TYPE_CHECKING:
    from .keys import Key

LIFETIME = 24 * 3600
"""Seconds for which a result is kept, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class Once:
    """Identity of a piece of work that must take effect once.

    `id` names it, such as the id of a request or of a queue's message. A repetition with another `payload` (any value
    that can be stored) is refused. The result is kept for `lifetime` seconds.

    Raises:
        TypeError: the id is no text, the lifetime no number, or the payload cannot be stored.
        ValueError: the id is empty, or the lifetime not a positive number of whole seconds.
        TableLimitExceeded: the id is too long.
    """

    id: str
    payload: object = field(default=None, repr=False)
    lifetime: int = LIFETIME
    scope: str = field(default="result", repr=False)
    """Kind of work: the same id may be used once in each. Counters set their own."""

    def __post_init__(self) -> None:
        if int(seconds("lifetime", self.lifetime)) != self.lifetime:
            raise ValueError(f"lifetime is {self.lifetime} s; give whole seconds")
        # Before the work, not after it: neither could be recorded.
        own_key(ONCE, self.id, self.scope)
        encode(self.payload, "payload")

    @property
    def key(self) -> Key:
        """Key of the record."""
        return own_key(ONCE, self.id, self.scope)

    def put(self, result: object) -> Put:
        """Return the action that records a result, and fails if there is one.

        Raises:
            TypeError: the result cannot be stored.
        """
        content = {
            "M": {"payload": {"S": self._digest()}, "result": encode(result, "the result of the function")}
        }
        return Put(Record(self.key, content, next_version(), int(time.time()) + self.lifetime), ABSENT)

    def result_in(self, record: Record) -> object:
        """Return the result in a record.

        Raises:
            OnceMismatch: it was recorded for another payload.
        """
        content = record.data["M"]
        if content["payload"]["S"] != self._digest():
            raise OnceMismatch("this id of `once` was used before, with another payload")
        return decode(content["result"])

    def _digest(self) -> str:
        encoded = json.dumps(encode(self.payload, "payload"), sort_keys=True)
        return hashlib.sha256(encoded.encode()).hexdigest()


def once_of(given: str | Once | None) -> Once | None:
    """Return the `Once` that a caller gave, perhaps as its id."""
    if given is not None and not isinstance(given, (str, Once)):
        raise TypeError(
            f"once is of type {type(given).__name__}; give the id of the work as text, or Once(id)"
        )
    return Once(given) if isinstance(given, str) else given
