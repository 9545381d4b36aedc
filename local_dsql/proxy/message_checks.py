"""What is wrong with a message as PostgreSQL would say, where the front has to read it before PostgreSQL does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy import errors
from local_dsql.proxy.encodings import undecodable
from local_dsql.wire.frames import BODY

if TYPE_CHECKING:
    from local_dsql.wire.messages import ServerMessage

KNOWN = b"QSHFPBDECXdcf"
"""The types of messages that a client may send once it is logged in."""

_NO_STRING = "invalid string in message"
_TOO_LONG = "invalid message format"
_TOO_SHORT = "insufficient data left in message"


def fault(kind: bytes, raw: bytes, codec: str) -> ServerMessage | None:
    """Return what is wrong with a message, None where nothing is, or where PostgreSQL is going to say it."""
    body = raw[BODY:]
    wrong = _malformed(kind, body)
    if wrong is not None:
        return errors.malformed(wrong)
    if raw.isascii():
        return None
    for text in _texts(kind, body):
        if (found := undecodable(text, codec)) is not None:
            return errors.undecodable(found)
    return None


def _texts(kind: bytes, body: bytes) -> list[bytes]:
    """Return what PostgreSQL would convert from the client's encoding."""
    if kind in b"PB":
        return body.split(b"\0", 2)[:2]
    return [body[_TEXT[kind]]] if kind in _TEXT else []


_TEXT = {b"Q": slice(-1), b"E": slice(-5), b"D": slice(1, -1), b"C": slice(1, -1)}


def _malformed(kind: bytes, body: bytes) -> str | None:
    if kind in b"SH":
        return _TOO_LONG if body else None
    if kind == b"Q":
        return _text(body)
    if kind in b"PB":
        return _NO_STRING if body.count(b"\0") < 2 else _types(body) if kind == b"P" else None
    if kind == b"E":
        _, end, limit = body.partition(b"\0")
        return _NO_STRING if not end else _TOO_SHORT if len(limit) < 4 else _TOO_LONG if limit[4:] else None
    if kind in b"DC":
        return _target(kind, body)
    return None


def _types(body: bytes) -> str | None:
    types = body.split(b"\0", 2)[2]
    due = 2 + 4 * int.from_bytes(types[:2], "big")
    return None if len(types) == due else _TOO_SHORT if len(types) < due else _TOO_LONG


def _text(body: bytes) -> str | None:
    if b"\0" not in body:
        return _NO_STRING
    return None if body.index(b"\0") == len(body) - 1 else _TOO_LONG


def _target(kind: bytes, body: bytes) -> str | None:
    if not body:
        return "no data left in message"
    if (wrong := _text(body[1:])) is not None:
        return wrong
    name = "DESCRIBE" if kind == b"D" else "CLOSE"
    return None if body[:1] in b"SP" else f"invalid {name} message subtype {body[0]}"
