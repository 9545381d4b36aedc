"""Places of the bytes of a string in the text that it was written in, through every way to quote it."""

from __future__ import annotations

import re

_CONTINUED = re.compile(rb"'(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+)*+'")
"""A string in parts, each on its own line."""
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_UNICODE = re.compile(rb"\\(\\|\+[0-9A-Fa-f]{6}|[0-9A-Fa-f]{4})")


class Origin:
    """Maps byte offsets of a string's value to byte offsets of the text with its literal.

    A literal that cannot be followed, such as one with UESCAPE, has all its bytes at its beginning.
    """

    def __init__(self, literal: bytes, start: int, value: bytes) -> None:
        self._start = start
        self._shift: int | None = None
        self._table: list[int] = []
        if literal[:1] == b"$":
            self._shift = start + literal.index(b"$", 1) + 1
            return
        table = _table(literal)
        if len(table) == len(value) + 1:
            self._table = [start + at for at in table]

    def at(self, offset: int) -> int:
        """Return the offset in the text of a byte of the value, or of its end."""
        if self._shift is not None:
            return self._shift + offset
        return self._table[min(offset, len(self._table) - 1)] if self._table else self._start


def _table(literal: bytes) -> list[int]:
    """Return the offset in a quoted literal of each byte of its value, and of its end."""
    prefix = literal[: literal.index(b"'")].upper()
    pattern = {b"E": _ESCAPE, b"U&": _UNICODE}.get(prefix)
    at, end = len(prefix) + 1, len(literal) - 1
    table: list[int] = []
    while at < end:
        length, made = 1, 1
        byte = literal[at : at + 1]
        if byte == b"'" and literal[at + 1 : at + 2] == b"'":
            length = 2
        elif byte == b"'" and (gap := _CONTINUED.match(literal, at)) is not None:
            length, made = len(gap.group()), 0
        elif pattern is not None and byte == b"\\" and (escape := pattern.match(literal, at)) is not None:
            length, made = len(escape.group()), _bytes_of(escape.group(1), prefix)
        table += [at] * made
        at += length
    return [*table, end]


def _bytes_of(escape: bytes, prefix: bytes) -> int:
    """Return how many bytes of UTF-8 an escape stands for. Of a pair of surrogates the first has all four."""
    if prefix == b"E" and escape[:1] not in (b"u", b"U"):
        return 1
    if escape == b"\\" or len(escape) == 1:
        return 1
    code = int(escape.lstrip(b"uU+"), 16)
    if 0xD800 <= code < 0xDC00:
        return 4
    return 0 if 0xDC00 <= code < 0xE000 else len(chr(code).encode()) if code <= 0x10FFFF else 1
