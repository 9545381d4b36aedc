"""Statements of clients as messages, for a first run, and for another run after it was undone."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dsql_dialect import libpg_query
from local_dsql.engine.commands import TEXT, UTF8
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import ObjectKind
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from local_dsql.engine.commands import Parameter

_NAME = b"local_dsql_alone\0"
_AS_EXTENDED = messages.bind() + messages.describe(ObjectKind.PORTAL) + messages.execute()
_FORGET = messages.frame(b"C", b"S" + _NAME)
"""Sent first: a run that failed has left its statement behind. The portal ends with the transaction."""
FORGET_UNNAMED = messages.close(ObjectKind.STATEMENT)
"""Drops the unnamed statement, as a Query does."""
_NULL, _SHORT, _LENGTH = b"\xff\xff\xff\xff", struct.Struct("!H"), struct.Struct("!I")
_NO_PARSE, _NO_BIND = messages.parse(b""), messages.bind()
_NOTHING: Mapping[bytes, int] = {}
QUERY_SURPLUS = {b"3": 1, b"1": 1, b"2": 1, b"n": 1}
"""Frames that the answer to a Query does not have."""


@dataclass(frozen=True, slots=True)
class Request:
    """One statement of a client.

    Attributes:
        body: extended messages up to Execute without Sync, or one Query.
        again: the messages after a first run was undone. Prepared statements survive that, so they are closed first.
        surplus: number of frames of each type at the beginning of the answer to `again` that the client does not
            expect.
        rows: CopyData and CopyDone or CopyFail of a COPY FROM STDIN.
        simple: the body is a Query.
        statement: the parsed statement, None for an empty text.
        parse: the Parse of the prepared statement that the Bind names, if it is not in the body.
        continues: it reads more rows of a portal that an earlier request has begun, so it cannot run again.
        sets_parameters: it is a SET, so it runs again whenever the transaction is resumed. A statement that calls
            set_config() does not, because it may write: `hidden_settings` has its parameters.
        undone: it has already run and was undone, so even its first run here sends `again`.
        arbiters: OIDs of the indexes of the clause of an upsert without the rows that the snapshot skips (`upserts`);
            None for any other statement.
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
    arbiters: frozenset[int] | None = None

    @property
    def data(self) -> bytes:
        """The bytes of the first run."""
        return self.repetition if self.undone else self._whole(self.body)

    @property
    def repetition(self) -> bytes:
        """The bytes of every other run."""
        return self._whole(self.again or self.body)

    def _whole(self, body: bytes) -> bytes:
        return body + self.rows if self.simple else body + self.rows + messages.SYNC

    @property
    def size(self) -> int:
        """The number of bytes that bring values: messages that the client has sent before count, too."""
        return len(self.again or self.body) + len(self.rows) + len(self.parse)

    @property
    def is_ddl(self) -> bool:
        """Return whether it changes the catalog."""
        return self.statement is not None and self.statement.is_ddl


def with_text(
    request: Request, sql: str, encoding: str, added: Parameter | None = None, *, as_text: bool = False
) -> Request | None:
    """Return a request for another text with those parameters of the request that the text uses, under engine names.

    `added` is the value of the text's last parameter (`free_parameter`), in binary form; the answer then describes the
    rows. `as_text`: the answer is text, whatever form the client wants. None: the text cannot be sent in the session's
    client_encoding, or the request does not begin with a Bind.
    """
    if encoding != UTF8 and not sql.isascii():
        return None
    statement = replace(request.statement, backend_sql=sql) if request.statement is not None else None
    if request.simple and added is None:
        return Request(messages.query(sql), simple=True, statement=statement)
    parse, bind = (_NO_PARSE, _NO_BIND) if request.simple else _bound(request)
    if not (bind and parse):
        return None
    used = _parameters(sql)
    types = _types(parse[BODY:].split(b"\0", 2)[2], used, added)
    values = _values(bind[BODY:].split(b"\0", 2)[2], used, added, as_text=as_text)
    body = _under_own_name(messages.cstring(sql) + types, values, describes=added is not None)
    return Request(body, statement=statement)


def free_parameter(sql: str) -> int:
    """Return the number of a parameter that a text does not use, behind those that it uses."""
    return max(_parameters(sql), default=0) + 1


def executed_portal(request: Request) -> tuple[bytes, int]:
    """Return the portal that a request executes, and its row limit; 0 is none."""
    if request.simple:
        return b"", 0
    frames = FrameReader().feed(request.again or request.body)
    return next((messages.execute_parts(raw) for kind, raw in frames if kind == b"E"), (b"", 0))


def renamed(request: Request) -> Request:
    """Return the request under names of the engine's own, whatever the client does with its names meanwhile.

    One that goes on in a portal of an earlier request is returned as it is.
    """
    if request.simple:
        return request
    parse, bind = _bound(request)
    if not (bind and parse):
        return request
    text = parse[BODY:].split(b"\0", 1)[1]
    values = bind[BODY:].split(b"\0", 2)[2]
    return Request(_under_own_name(text, values), rows=request.rows, statement=request.statement)


def _bound(request: Request) -> tuple[bytes, bytes]:
    """Return the Parse and the Bind of the portal that a request executes, each empty if it has none.

    The Parse is the last one before the Bind: one behind it may have its name, and belongs to a later portal.
    """
    parses = {request.parse[BODY:].split(b"\0", 1)[0]: request.parse} if request.parse else {}
    for kind, raw in FrameReader().feed(request.again or request.body):
        if kind == b"P":
            parses[raw[BODY:].split(b"\0", 1)[0]] = raw
        elif kind == b"B":
            return parses.get(raw[BODY:].split(b"\0", 2)[1], b""), raw
    return b"", b""


def _under_own_name(text: bytes, values: bytes, *, describes: bool = False) -> bytes:
    """Return messages that run a statement once: text and types as in a Parse, formats and values as in a Bind."""
    return (
        _FORGET
        + messages.frame(b"P", _NAME + text)
        + messages.frame(b"B", _NAME + _NAME + values)
        + (messages.frame(b"D", b"P" + _NAME) if describes else b"")
        + messages.frame(b"E", _NAME + b"\0\0\0\0")
        + messages.frame(b"C", b"P" + _NAME)
    )


def _parameters(sql: str) -> frozenset[int]:
    """Return the numbers of the parameters that a text names."""
    texts = (token.text for token in libpg_query.scan(sql.encode()))
    return frozenset(int(text[1:]) for text in texts if text[:1] == "$" and text[1:].isdigit())


def _types(types: bytes, used: frozenset[int], added: Parameter | None) -> bytes:
    """Return the types in a Parse of the parameters up to the last one used; an unused one before it gets type text."""
    count = max(used, default=0)
    given = list(struct.unpack_from(f"!{(len(types) - 2) // 4}I", types, 2))[:count]
    given += [0] * (count - len(given))
    if added is not None:
        given[-1] = added.type
    told = [oid if number in used else TEXT for number, oid in enumerate(given, 1)]
    return struct.pack(f"!H{count}I", count, *told)


def _values(values: bytes, used: frozenset[int], added: Parameter | None, *, as_text: bool) -> bytes:
    """Return formats and values in a Bind of the parameters up to the last one used; an unused one before it is
    NULL."""
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
    if added is not None:
        every = formats * given if number == 1 else formats or (0,) * given
        formats = (*every[: count - 1], *(0,) * (count - 1 - len(every)), 1)
        value = added.value or b""
        told = [*told, *[_NULL] * (count - 1 - len(told)), _LENGTH.pack(len(value)) + value]
    head = struct.pack(f"!H{len(formats)}HH", len(formats), *formats, count)
    return head + b"".join(told) + (_SHORT.pack(0) if as_text else values[position:])


class AutocommitRequest(NamedTuple):
    """A request as extended messages; together with a Sync they are a transaction of their own.

    `body` and `again` are as in `Request`, with the rows of a COPY. `surplus` and `surplus_again` are the frames that
    the client does not expect in their answers.
    """

    body: bytes
    again: bytes
    surplus: Mapping[bytes, int]
    surplus_again: Mapping[bytes, int]


def as_autocommit(request: Request) -> AutocommitRequest | None:
    """Return a request in a form that commits only at its Sync; None for a Query that extended messages cannot express.

    A Query commits before it reports the number of rows that it changed. So its text runs as the unnamed statement and
    portal, which a Query destroys, too. A text with `$` might name a parameter, which is a different error in extended
    messages.
    """
    rows = request.rows
    if not request.simple:
        again = (request.again or request.body) + rows
        if request.undone:
            return AutocommitRequest(again, again, request.surplus, request.surplus)
        return AutocommitRequest(request.body + rows, again, _NOTHING, request.surplus)
    body = as_extended(request.body[BODY:-1], rows)
    return None if body is None else AutocommitRequest(body, body, QUERY_SURPLUS, QUERY_SURPLUS)


def as_extended(text: bytes, rows: bytes = b"") -> bytes | None:
    """Return the extended messages that run the text of a Query, None if they cannot."""
    if b"$" in text:
        return None
    return messages.parse(text) + _AS_EXTENDED + rows + FORGET_UNNAMED


def strip_surplus(answer: Response, surplus: Mapping[bytes, int]) -> Response:
    """Return an answer without its first frames of some types, as many as `surplus` has of each."""
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
