"""One statement and the client messages that execute it.

A *batch* is all that a client sends before it waits: one Query, or extended messages up to Sync or Flush. A
*statement execution* is the part of a batch that executes one statement: one statement of a Query's text, or the
extended messages up to and including one Execute. The proxy checks, limits and counts execution by execution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.proxy.encodings import UTF8
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import FRONTEND_ROLES, BackendMessage, FrontendMessage, ObjectKind
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.wire.frames import Frame

_EXECUTING = (FrontendMessage.QUERY, FrontendMessage.EXECUTE)
_TRIVIAL = (
    [FrontendMessage.PARSE, FrontendMessage.BIND, FrontendMessage.EXECUTE],
    [FrontendMessage.PARSE, FrontendMessage.BIND, FrontendMessage.DESCRIBE, FrontendMessage.EXECUTE],
)


@dataclass(frozen=True, slots=True)
class StatementExecution:
    """One statement and the messages that run it.

    `statement` is None for an empty text, and for messages that only prepare or describe.
    """

    statement: Statement | None
    frames: tuple[Frame, ...]
    borrowed_parse: bytes = b""
    """The Parse of the unnamed statement from an earlier batch; PostgreSQL may have dropped the statement since."""
    offset: int = 0
    """Its position in the text that it comes from, in characters."""

    @property
    def simple(self) -> bool:
        """True if it came in a Query."""
        return self.frames[0][0] == FrontendMessage.QUERY

    @property
    def executes(self) -> bool:
        """True if it runs the statement, not only prepares it."""
        return self.frames[-1][0] in _EXECUTING

    @property
    def is_trivial(self) -> bool:
        """True if PostgreSQL's response to all but the Execute is known: no names, no parameters."""
        if [kind for kind, _ in self.frames] not in _TRIVIAL:
            return False
        (_, parse), (_, bind), *_, (_, execute) = self.frames
        unnamed = (parse[BODY : BODY + 1], execute[BODY : BODY + 1]) == (b"\0", b"\0")
        return unnamed and parse.endswith(b"\0\0\0") and messages.binds_unnamed(bind)

    @property
    def continues_portal(self) -> bool:
        """True if it executes a portal that an earlier batch part has bound."""
        return self.frames[-1][0] == FrontendMessage.EXECUTE and not any(
            kind == FrontendMessage.BIND for kind, _ in self.frames
        )

    @property
    def preparation(self) -> StatementExecution | None:
        """Its messages before Execute, if any."""
        frames = self.frames[:-1]
        return StatementExecution(self.statement, frames, self.borrowed_parse) if frames else None

    @property
    def without_preparation(self) -> StatementExecution:
        """Its Execute alone."""
        return StatementExecution(self.statement, self.frames[-1:])

    @property
    def body(self) -> bytes:
        """The bytes that make PostgreSQL run it: extended messages without Sync, or a Query."""
        return self.borrowed_parse + b"".join(raw for _, raw in self.frames)

    def request(self) -> bytes:
        """Return the bytes that make PostgreSQL run it and send ReadyForQuery."""
        return self.body if self.simple else self.body + messages.SYNC

    def client_response(self, response: Response) -> Response:
        """Return PostgreSQL's response for the client.

        The ParseComplete of the borrowed Parse is left out, and positions of errors are those in the whole text.
        """
        frames = response.frames
        if self.borrowed_parse and frames and frames[0][0] == BackendMessage.PARSE_COMPLETE:
            return Response(frames[1:], response.status)
        if self.offset:
            return Response([self._shift(*frame) for frame in frames], response.status)
        return response

    def _shift(self, kind: bytes, raw: bytes) -> Frame:
        if kind not in (BackendMessage.ERROR_RESPONSE, BackendMessage.NOTICE_RESPONSE):
            return kind, raw
        return kind, messages.shift_position(raw, self.offset)

    def local_response(self, result: bytes, description: bytes = messages.NO_DATA) -> bytes:
        """Return the response in which Execute is answered by `result` and Describe by `description`.

        A Query has the description, if any, before the result.
        """
        if self.simple:
            return (b"" if description == messages.NO_DATA else description) + result
        parts = []
        for kind, raw in self.frames:
            if kind == FrontendMessage.DESCRIBE:
                described, _ = messages.target_parts(raw)
                parts.append(messages.NO_PARAMETERS if described == ObjectKind.STATEMENT else b"")
                parts.append(description)
            elif kind == FrontendMessage.EXECUTE:
                parts.append(result)
            else:
                parts.append(messages.frame(FRONTEND_ROLES[kind].reply))
        return b"".join(parts)


def simple_execution(statement: Statement, codec: str = UTF8) -> StatementExecution:
    """Return the execution of one statement of a Query, in the client's encoding."""
    request = messages.query(statement.backend_sql, codec)
    frames = ((FrontendMessage.QUERY, request),)
    return StatementExecution(statement, frames, offset=statement.position.offset)
