"""Taking a client's messages apart into what is executed one after the other.

A *batch* is what a client sends before it waits: one Query, or extended messages up to Sync or Flush. A *unit* is
the part of a batch that executes one statement: one statement of a Query's text, or the extended messages up to and
including one Execute. The front decides, refuses, counts and conflicts unit by unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.proxy.encodings import UTF8
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.wire.frames import Frame

_UNNAMED_BIND = b"\0\0\0\0\0\0"
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
    offset: int = 0
    """Where it begins in the text that it comes from, in characters."""

    @property
    def simple(self) -> bool:
        """Whether it came as (part of) a Query."""
        return self.frames[0][0] == b"Q"

    @property
    def executes(self) -> bool:
        """Whether it runs something."""
        return self.frames[-1][0] in b"QE"

    @property
    def is_usual(self) -> bool:
        """Whether its messages need not be shown to PostgreSQL to know what it says: all unnamed, no parameters."""
        kinds = b"".join(kind for kind, _ in self.frames)
        if kinds not in (b"PBE", b"PBDE"):
            return False
        (_, parse), (_, bind), *_, (_, execute) = self.frames
        unnamed = (parse[BODY : BODY + 1], execute[BODY : BODY + 1]) == (b"\0", b"\0")
        return unnamed and parse.endswith(b"\0\0\0") and bind[BODY:].startswith(_UNNAMED_BIND)

    @property
    def goes_on(self) -> bool:
        """Whether it executes a portal that an earlier unit has bound."""
        return self.frames[-1][0] == b"E" and not any(kind == b"B" for kind, _ in self.frames)

    @property
    def is_limited(self) -> bool:
        """Whether it takes so many rows of its answer and no more."""
        kind, raw = self.frames[-1]
        return kind == b"E" and messages.execute_parts(raw)[1] > 0

    @property
    def preparation(self) -> Unit | None:
        """Its messages before Execute, if there are any."""
        frames = self.frames[:-1]
        return Unit(self.statement, frames, self.borrowed) if frames else None

    @property
    def execution(self) -> Unit:
        """Its Execute alone."""
        return Unit(self.statement, self.frames[-1:])

    def request(self) -> bytes:
        """Return the bytes that make PostgreSQL run it and say ReadyForQuery."""
        joined = b"".join(raw for _, raw in self.frames)
        return joined if self.simple else self.borrowed + joined + messages.SYNC

    def own(self, answer: Response) -> Response:
        """Return PostgreSQL's answer without what is due to the borrowed Parse, its errors placed in the whole text."""
        if self.borrowed and answer.frames and answer.frames[0][0] == b"1":
            return Response(answer.frames[1:], answer.status)
        if self.offset:
            frames = [
                (kind, messages.shift_position(raw, self.offset) if kind in (b"E", b"N") else raw)
                for kind, raw in answer.frames
            ]
            return Response(frames, answer.status)
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
                parts.append(messages.NO_PARAMETERS if target == b"S" else b"")
                parts.append(description)
            else:
                parts.append(result if kind == b"E" else _REPLIES[kind])
        return b"".join(parts)


def simple_unit(statement: Statement, codec: str = UTF8) -> Unit:
    """Return the unit for one statement of a Query, in the client's encoding."""
    request = messages.query(statement.backend_sql, codec)
    return Unit(statement, ((b"Q", request),), offset=statement.position.offset)
