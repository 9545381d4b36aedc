"""Taking a client's messages apart into what is executed one after the other.

A *batch* is what a client sends before it waits: one Query, or extended messages up to Sync or Flush. A *unit* is
the part of a batch that executes one statement: one statement of a Query's text, or the extended messages up to and
including one Execute. The front decides, refuses, counts and conflicts unit by unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.answer import Answer

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.wire.frames import Frame

_REPLIES = {b"P": messages.PARSE_COMPLETE, b"B": messages.BIND_COMPLETE, b"C": messages.CLOSE_COMPLETE}


@dataclass(frozen=True, slots=True)
class Unit:
    """One statement and the messages that run it.

    `statement` is None for an empty text, and for messages that only prepare or describe.
    """

    statement: Statement | None
    frames: tuple[Frame, ...]
    borrowed: bytes = b""
    """The Parse of the unnamed statement, from an earlier batch, which PostgreSQL may have forgotten since."""

    @property
    def simple(self) -> bool:
        """Whether it came as (part of) a Query."""
        return self.frames[0][0] == b"Q"

    @property
    def executes(self) -> bool:
        """Whether it runs something."""
        return self.frames[-1][0] in b"QE"

    def request(self) -> bytes:
        """Return the bytes that make PostgreSQL run it and say ReadyForQuery."""
        joined = b"".join(raw for _, raw in self.frames)
        return joined if self.simple else self.borrowed + joined + messages.SYNC

    def own(self, answer: Answer) -> Answer:
        """Return PostgreSQL's answer without what is due to the borrowed Parse."""
        if self.borrowed and answer.frames and answer.frames[0][0] == b"1":
            return Answer(answer.frames[1:], answer.status)
        return answer

    def answer(self, result: bytes, description: bytes = messages.NO_DATA) -> bytes:
        """Return what PostgreSQL would say if Execute gave `result` and Describe gave `description`.

        A simple query has its description sent before the result, where there is one.
        """
        if self.simple:
            return (b"" if description == messages.NO_DATA else description) + result
        parts = []
        for kind, raw in self.frames:
            if kind == b"D":
                target, _ = messages.target_parts(raw)
                parts.append(_NO_PARAMETERS if target == b"S" else b"")
                parts.append(description)
            else:
                parts.append(result if kind == b"E" else _REPLIES[kind])
        return b"".join(parts)


_NO_PARAMETERS = messages.frame(b"t", b"\0\0")


def simple_unit(statement: Statement | None, sql: str) -> Unit:
    """Return the unit for one statement of a Query."""
    return Unit(statement, ((b"Q", messages.query(sql)),))
