"""Make block comments cheap to scan.

PostgreSQL's scanner reads a run of operator characters again at every `/*` in it, which takes quadratic time within a
comment: 10,000 times `/*` takes seconds. So the parser gets such a text without the marks inside of its comments.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXPENSIVE = re.compile(rb"/\*[~!@#^&|`?+\-*/%<>=]*?/\*")
_MARKS = re.compile(rb"/\*|\*/")
_BLANK = bytes.maketrans(b"/*", b"  ")

_TOKEN = re.compile(
    rb"""
      (?P<comment>/\*)
    | --[^\n\r]*
    | [eE]'(?:[^'\\]|\\(?:.|\Z)|'')*+(?:'|\Z)
    | '(?:[^']|'')*+(?:'|\Z)
    | "(?:[^"]|"")*+(?:"|\Z)
    | (?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)
    | [A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*
    """,
    re.DOTALL | re.VERBOSE,
)
"""Tokens that may contain `/*` without beginning a comment, and words, whose end does not begin a quote."""


def without_nested_marks(sql: bytes) -> bytes:
    """Return the text with blanks for `/` and `*` within block comments; the text itself if it is cheap to scan.

    Offsets in bytes and in characters stay. A comment that does not end still does not end.
    """
    if not _EXPENSIVE.search(sql):
        return sql
    parts: list[bytes] = []
    kept = 0
    for start, end, closed in _comments(sql):
        inner = end - 2 if closed else end
        parts += [sql[kept : start + 2], sql[start + 2 : inner].translate(_BLANK)]
        kept = inner
    return b"".join([*parts, sql[kept:]])


def _comments(sql: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield where each block comment begins and ends, and whether it is closed."""
    at = 0
    while (token := _TOKEN.search(sql, at)) is not None:
        at = token.end()
        if token["comment"]:
            at, closed = _end(sql, token.start())
            yield token.start(), at, closed
        elif token["dollar"]:
            close = sql.find(token["dollar"], at)
            at = len(sql) if close < 0 else close + len(token["dollar"])


def _end(sql: bytes, start: int) -> tuple[int, bool]:
    depth = 0
    for mark in _MARKS.finditer(sql, start):
        depth += 1 if mark[0] == b"/*" else -1
        if not depth:
            return mark.end(), True
    return len(sql), False
