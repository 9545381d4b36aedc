"""Comments of SQL: skip them, read them, and keep PostgreSQL's scanner linear over nested ones.

A comment in `/* */` nests. Every function reads its text once, from left to right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(rb"(?:\s|--[^\n\r]*)+")
_EDGE = re.compile(rb"/\*|\*/")
_COMMENT = re.compile(r"/\*|--(?P<line>[^\n]*)")
_EDGE_IN_TEXT = re.compile(r"/\*|\*/")

_WITHOUT_MARKS = bytes.maketrans(b"/*", b"  ")
_LONG_RUN = re.compile(rb"[-~!@#^&|`?+*/%<>=]{128}")
_LEXEME = re.compile(
    rb"(?P<comment>/\*)|--[^\n\r]*"
    rb"|[eE]'(?:[^'\\]|\\[\s\S]|'')*+'?|'[^']*+'?|\"[^\"]*+\"?"
    rb"|(?P<quote>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)"
    rb"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+"
)
"""The parts of SQL that may hide the beginning of a comment; names among them, since `e'` and `a$b$` are none."""


def skip_trivia(data: bytes, at: int) -> int:
    """Return the offset of the first byte that is neither space nor comment."""
    while True:
        blank = _SPACE.match(data, at)
        at = blank.end() if blank else at
        if data[at : at + 2] != b"/*":
            return at
        end = _end(data, at)
        at = len(data) if end is None else end


def line_comments(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    """Yield the text behind `--` and the offset of every line comment in a stretch of spaces and comments."""
    at = start
    while (found := _COMMENT.search(text, at, end)) is not None:
        at = found.end()
        if found["line"] is not None:
            yield found["line"], found.start()
            continue
        depth = 1
        while depth and (edge := _EDGE_IN_TEXT.search(text, at, end)) is not None:
            depth += 1 if edge[0] == "/*" else -1
            at = edge.end()
        if depth:
            return


def with_flat_comments(data: bytes) -> bytes:
    """Return SQL without the marks inside of its block comments, where nested ones would take quadratic time.

    PostgreSQL's scanner reads all operator characters that follow each `/*` (scan.l, xcstart), so 10,000 of them in a
    row are 100 million steps. Texts without such a run are returned as they are.
    """
    if b"/*" not in data or not _LONG_RUN.search(data):
        return data
    flat = bytearray(data)
    at = 0
    while (found := _LEXEME.search(data, at)) is not None:
        at = found.end()
        if found["comment"]:
            end = _end(data, found.start())
            inside = len(data) if end is None else end - 2
            flat[at:inside] = flat[at:inside].translate(_WITHOUT_MARKS)
            at = len(data) if end is None else end
        elif found["quote"]:
            closed = data.find(found["quote"], at)
            at = closed + len(found["quote"]) if closed >= 0 else len(data)
    return bytes(flat)


def _end(data: bytes, start: int) -> int | None:
    """Return the offset behind the block comment that begins at `start`, or None where it has no end."""
    depth, at = 1, start + 2
    while depth:
        edge = _EDGE.search(data, at)
        if edge is None:
            return None
        depth += 1 if edge[0] == b"/*" else -1
        at = edge.end()
    return at
