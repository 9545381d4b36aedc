"""Statements of clients as messages: to be run, and to be run again after they have been undone."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dsql_dialect import libpg_query
from local_dsql.engine.commands import TEXT
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import ObjectKind
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement

_NAME = b"local_dsql_alone\0"
_AS_EXTENDED = messages.bind() + messages.describe(ObjectKind.PORTAL) + messages.execute()
_FORGET = messages.frame(b"C", b"S" + _NAME)
"""Comes first: a run that failed has left its statement behind. The portal ends with the transaction."""
FORGET_UNNAMED = messages.close(ObjectKind.STATEMENT)
"""Drops the unnamed statement, as a Query does."""
_NULL, _SHORT = b"\xff\xff\xff\xff", struct.Struct("!H")
_NOTHING: Mapping[bytes, int] = {}
_SURPLUS = {b"3": 1, b"1": 1, b"2": 1, b"n": 1}
"""Frames that a Query is not answered with."""


@dataclass(frozen=True, slots=True)
class Request:
    """One statement of a client.

    Attributes:
        body: extended messages up to Execute without Sync, or one Query.
        again: the same to be sent after a first run was undone: prepared statements survive that, so they are closed.
        surplus: types of frames, and how many of each, that only the answer to `again` begins with.
        rows: CopyData and CopyDone or CopyFail of a COPY FROM STDIN.
        simple: the body is a Query.
        statement: the parsed statement, None for an empty text.
        parse: the Parse of the prepared statement that the Bind names, where that is not in the body.
        continues: it reads on in a portal that an earlier request has bound.
        sets_parameters: it may set parameters, so it is run again whenever the transaction is resumed.
        undone: it was run before and undone, so its first run here is a repetition.
    """

    body: bytes
    again: bytes = b""
    surplus: Mapping[bytes, int] = field(default_factory=dict)
    rows: bytes = b""
    simple: bool = False
    statement: Statement | None = None
    parse: bytes = b""
    continues: bool = False
    sets_parameters: bool = False
    undone: bool = False

    @property
    def data(self) -> bytes:
        """The bytes of the first run."""
        return self.repetition if self.undone else self._whole(self.body)

    @property
    def repetition(self) -> bytes:
        """The bytes of any further run."""
        return self._whole(self.again or self.body)

    def _whole(self, body: bytes) -> bytes:
        return body + self.rows if self.simple else body + self.rows + messages.SYNC

    @property
    def is_ddl(self) -> bool:
        """Return whether it changes the catalog."""
        return self.statement is not None and self.statement.is_ddl


def retold(request: Request, sql: str) -> Request | None:
    """Return a request for another text with those of the parameters that it names, under a name of the engine's own.

    None where that cannot be told: the text is not ASCII, or the request does not begin with a Bind.
    """
    if not sql.isascii():
        return None
    statement = replace(request.statement, backend_sql=sql) if request.statement is not None else None
    if request.simple:
        return Request(messages.query(sql), simple=True, statement=statement)
    frames = dict(FrameReader().feed(request.again or request.body))
    parse, bind = frames.get(b"P", request.parse), frames.get(b"B")
    if bind is None or not parse:
        return None
    used = _parameters(sql)
    types = _types(parse[BODY:].split(b"\0", 2)[2], used)
    values = _values(bind[BODY:].split(b"\0", 2)[2], used)
    body = (
        _FORGET
        + messages.frame(b"P", _NAME + messages.cstring(sql) + types)
        + messages.frame(b"B", _NAME + _NAME + values)
        + messages.frame(b"E", _NAME + b"\0\0\0\0")
        + messages.frame(b"C", b"P" + _NAME)
    )
    return Request(body, statement=statement)


def _parameters(sql: str) -> frozenset[int]:
    """Return the numbers of the parameters that a text names."""
    texts = (token.text for token in libpg_query.scan(sql.encode()))
    return frozenset(int(text[1:]) for text in texts if text[:1] == "$" and text[1:].isdigit())


def _types(types: bytes, used: frozenset[int]) -> bytes:
    """Return the types of a Parse for the parameters up to the last one used; one in between that is not is a text."""
    count = max(used, default=0)
    given = list(struct.unpack_from(f"!{(len(types) - 2) // 4}I", types, 2))[:count]
    given += [0] * (count - len(given))
    told = [oid if number in used else TEXT for number, oid in enumerate(given, 1)]
    return struct.pack(f"!H{count}I", count, *told)


def _values(values: bytes, used: frozenset[int]) -> bytes:
    """Return formats and values of a Bind for the parameters up to the last one used; one that is not is NULL."""
    count = max(used, default=0)
    (number,) = _SHORT.unpack_from(values)
    formats = struct.unpack_from(f"!{number}H", values, 2)
    position = 2 + 2 * number
    (given,) = _SHORT.unpack_from(values, position)
    position += 2
    told: list[bytes] = []
    for parameter in range(1, given + 1):
        length = 4 + max(int.from_bytes(values[position : position + 4], "big", signed=True), 0)
        if parameter <= count:
            told.append(values[position : position + length] if parameter in used else _NULL)
        position += length
    formats = formats[:count] if number > 1 else formats
    head = struct.pack(f"!H{len(formats)}HH", len(formats), *formats, count)
    return head + b"".join(told) + values[position:]


class LoneRequest(NamedTuple):
    """A request as extended messages without Sync, which with one are a transaction by themselves.

    `body` and `again` are as in `Request`, the rows of a COPY included; `surplus` and `surplus_again` are what their
    answers have more than the client expects.
    """

    body: bytes
    again: bytes
    surplus: Mapping[bytes, int]
    surplus_again: Mapping[bytes, int]


def lone(request: Request) -> LoneRequest | None:
    """Return a request as one that commits at its Sync; None for a Query that cannot be put into extended messages.

    A Query commits before it tells how many rows it has changed. The unnamed statement and portal run it: a Query
    destroys them, too. A text with `$` might name a parameter, which is an error of another kind in extended messages.
    """
    rows = request.rows
    if not request.simple:
        again = (request.again or request.body) + rows
        if request.undone:
            return LoneRequest(again, again, request.surplus, request.surplus)
        return LoneRequest(request.body + rows, again, _NOTHING, request.surplus)
    text = request.body[BODY:]
    if b"$" in text:
        return None
    body = messages.frame(b"P", b"\0" + text + b"\0\0") + _AS_EXTENDED + rows + FORGET_UNNAMED
    return LoneRequest(body, body, _SURPLUS, _SURPLUS)


def without(answer: Response, surplus: Mapping[bytes, int]) -> Response:
    """Return an answer without the first so many frames of some types."""
    if not surplus:
        return answer
    left = dict(surplus)
    frames = []
    for kind, raw in answer.frames:
        if left.get(kind, 0) > 0:
            left[kind] -= 1
        else:
            frames.append((kind, raw))
    return Response(frames, answer.status)
