"""Check the client messages that the proxy reads before PostgreSQL does; errors are PostgreSQL's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local_dsql.proxy import errors
from local_dsql.proxy.encodings import undecodable
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_dsql.wire.messages import ServerMessage

_NO_STRING = "invalid string in message"
_TOO_LONG = "invalid message format"
_TOO_SHORT = "insufficient data left in message"


def check_message(kind: bytes, raw: bytes, codec: str) -> ServerMessage | None:
    """Return the error of a message; None if it has none, or if PostgreSQL will report it."""
    body = raw[BODY:]
    wrong = _LAYOUTS[kind](body) if kind in _LAYOUTS else None
    if wrong is not None:
        return errors.malformed(wrong)
    if raw.isascii():
        return None
    for text in _texts(kind, body):
        if (found := undecodable(text, codec)) is not None:
            return errors.undecodable(found)
    return None


def _texts(kind: bytes, body: bytes) -> list[bytes]:
    """Return the strings that PostgreSQL converts from the client's encoding."""
    if kind in (FrontendMessage.PARSE, FrontendMessage.BIND):
        return body.split(b"\0", 2)[:2]
    return [body[_TEXT[kind]]] if kind in _TEXT else []


_TEXT: Final[Mapping[bytes, slice]] = {
    FrontendMessage.QUERY: slice(-1),
    FrontendMessage.EXECUTE: slice(-5),
    FrontendMessage.DESCRIBE: slice(1, -1),
    FrontendMessage.CLOSE: slice(1, -1),
}


def _nothing(body: bytes) -> str | None:
    return _TOO_LONG if body else None


def _string(body: bytes) -> str | None:
    if b"\0" not in body:
        return _NO_STRING
    return None if body.index(b"\0") == len(body) - 1 else _TOO_LONG


def _two_strings(body: bytes) -> str | None:
    return _NO_STRING if body.count(b"\0") < 2 else None


def _parse(body: bytes) -> str | None:
    if (wrong := _two_strings(body)) is not None:
        return wrong
    types = body.split(b"\0", 2)[2]
    due = 2 + 4 * int.from_bytes(types[:2], "big")
    return None if len(types) == due else _TOO_SHORT if len(types) < due else _TOO_LONG


def _execute(body: bytes) -> str | None:
    _, end, limit = body.partition(b"\0")
    return _NO_STRING if not end else _TOO_SHORT if len(limit) < 4 else _TOO_LONG if limit[4:] else None


def _describe(body: bytes) -> str | None:
    return _object(body, "DESCRIBE")


def _close(body: bytes) -> str | None:
    return _object(body, "CLOSE")


def _object(body: bytes, name: str) -> str | None:
    if not body:
        return "no data left in message"
    if (wrong := _string(body[1:])) is not None:
        return wrong
    known = body[:1] in (ObjectKind.STATEMENT, ObjectKind.PORTAL)
    return None if known else f"invalid {name} message subtype {body[0]}"


_LAYOUTS: Final[Mapping[bytes, Callable[[bytes], str | None]]] = {
    FrontendMessage.BIND: _two_strings,
    FrontendMessage.CLOSE: _close,
    FrontendMessage.DESCRIBE: _describe,
    FrontendMessage.EXECUTE: _execute,
    FrontendMessage.FLUSH: _nothing,
    FrontendMessage.PARSE: _parse,
    FrontendMessage.QUERY: _string,
    FrontendMessage.SYNC: _nothing,
}
"""Checks of the body; each returns PostgreSQL's text of the error, or None."""
