"""PostgreSQL's own parser and scanner, from the shared library in postgast's wheel.

The shared library is opened directly: importing postgast itself takes about 100 ms (the protobuf classes of
every node), and a tree as protobuf takes four times as long to read and walk as one of JSON.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
from ctypes import POINTER, Structure, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect import json_tree
from dsql_dialect.comments import with_flat_comments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_FILES = {"linux": "libpg_query.so", "darwin": "libpg_query.dylib", "win32": "pg_query.dll"}


class SqlSyntaxError(Exception):
    """The text is not SQL: PostgreSQL's message, and the character offset of the token it names."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Token:
    """A token of SQL between two byte offsets; comments are left out."""

    start: int
    end: int
    text: str

    @property
    def word(self) -> str:
        """The token in capitals; quoted names and literals keep their quotes, so they equal no keyword."""
        return self.text.upper()


class _Error(Structure):
    _fields_ = (
        ("message", c_char_p),
        ("funcname", c_char_p),
        ("filename", c_char_p),
        ("lineno", c_int),
        ("cursorpos", c_int),
        ("context", c_char_p),
    )


class _ParseResult(Structure):
    _fields_ = (("tree", c_char_p), ("stderr_buffer", c_char_p), ("error", POINTER(_Error)))


class _Range(Structure):
    _fields_ = (("location", c_int), ("length", c_int))


class _SplitResult(Structure):
    _fields_ = (
        ("ranges", POINTER(POINTER(_Range))),
        ("number", c_int),
        ("stderr_buffer", c_char_p),
        ("error", POINTER(_Error)),
    )


class _ScanResult(Structure):
    _fields_ = (
        ("length", c_size_t),
        ("data", c_void_p),
        ("stderr_buffer", c_char_p),
        ("error", POINTER(_Error)),
    )


def _open_library() -> ctypes.CDLL:
    file = _FILES.get(sys.platform, "libpg_query.so")
    package = importlib.util.find_spec("postgast")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (Path(folder) / file).is_file():
            return ctypes.CDLL(str(Path(folder) / file))
    from ctypes.util import find_library  # imports subprocess: only where postgast brought no library

    installed = find_library("pg_query")
    if installed is None:
        raise ImportError("the SQL parser is missing; install it with: pip install 'blocks-dsql[dialect]'")
    return ctypes.CDLL(installed)


_library = _open_library()
for _name, _freed, _result in (
    ("parse", "parse", _ParseResult),
    ("scan", "scan", _ScanResult),
    ("split_with_scanner", "split", _SplitResult),
):
    _call = getattr(_library, f"pg_query_{_name}")
    _call.argtypes, _call.restype = [c_char_p], _result
    _free = getattr(_library, f"pg_query_free_{_freed}_result")
    _free.argtypes, _free.restype = [_result], None


def parse(sql: bytes) -> list[Node]:
    """Return the RawStmt nodes of a text; locations in them are byte offsets into it.

    Raises:
        SqlSyntaxError: the text is not PostgreSQL 18 syntax.
    """
    flat = with_flat_comments(sql)
    result = _parse_deep(flat) if len(flat) > _SHALLOW else _library.pg_query_parse(flat)
    try:
        _check(result, sql)
        return json_tree.loads(result.tree).get("stmts", [])  # type: ignore[no-any-return]
    finally:
        _library.pg_query_free_parse_result(result)


_SHALLOW = 4096
_STACK_PER_BYTE, _LEAST_STACK, _MOST_STACK = 256, 16 << 20, 1 << 30
_stack_size = threading.Lock()


def _parse_deep(sql: bytes) -> _ParseResult:
    """Parse on a stack sized for the deepest tree that a text of this length can have.

    The library recurses over the tree without a check of the stack: `1+1+…` of 100,000 terms would end the
    process. A level takes at least two bytes of text and, as measured, at most 400 bytes of stack.
    """
    results: list[_ParseResult] = []
    worker = threading.Thread(target=lambda: results.append(_library.pg_query_parse(sql)))
    with _stack_size:
        before = threading.stack_size(min(_LEAST_STACK + _STACK_PER_BYTE * len(sql), _MOST_STACK))
        try:
            worker.start()
        finally:
            threading.stack_size(before)
    worker.join()
    return results[0]


def scan(sql: bytes) -> list[Token]:
    """Return the tokens of a text, comments left out.

    Raises:
        SqlSyntaxError: a quote or a comment does not end.
    """
    result = _library.pg_query_scan(with_flat_comments(sql))
    try:
        _check(result, sql)
        message = ctypes.string_at(result.data, result.length)
    finally:
        _library.pg_query_free_scan_result(result)
    return [
        Token(start, end, sql[start:end].decode(errors="replace"))
        for start, end, kind in _scan_tokens(message)
        if kind not in (_SQL_COMMENT, _C_COMMENT)
    ]


def ends(sql: bytes) -> list[int]:
    """Return the byte offsets at which the statements of a text end, at semicolons outside of parentheses.

    Those within BEGIN ATOMIC … END count, too. It takes a tenth of the time of `scan`.

    Raises:
        SqlSyntaxError: a quote or a comment does not end.
    """
    result = _library.pg_query_split_with_scanner(with_flat_comments(sql))
    try:
        _check(result, sql)
        found = (result.ranges[index].contents for index in range(result.number))
        return [each.location + each.length for each in found]
    finally:
        _library.pg_query_free_split_result(result)


def _check(result: _ParseResult | _ScanResult | _SplitResult, sql: bytes) -> None:
    if result.error:
        error = result.error.contents
        message = (error.message or b"syntax error").decode(errors="replace")
        offset = max(error.cursorpos - 1, 0)
        if message.startswith(_UNTERMINATED):  # PostgreSQL quotes all of it, which may have been blanked
            message = f'{_UNTERMINATED}{sql.decode(errors="replace")[offset:]}"'
        raise SqlSyntaxError(message, offset)


_UNTERMINATED = 'unterminated /* comment at or near "'


# The scan result is a protobuf message: tokens are field 2, and within one start is 1, end 2 and the kind 4.
# 275 and 276 are the kinds SQL_COMMENT and C_COMMENT.
_SQL_COMMENT, _C_COMMENT = 275, 276
_TOKENS = 2 << 3 | 2


def _scan_tokens(message: bytes) -> Iterator[tuple[int, int, int]]:
    at, length = 0, len(message)
    while at < length:
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag == _TOKENS:
            end = at + value
            start = stop = kind = 0
            while at < end:
                field = message[at] >> 3  # the fields of a token have tags of one byte
                value = message[at + 1]
                at += 2
                if value >= 0x80:
                    value, at = _varint(message, at - 1)
                if field == 1:
                    start = value
                elif field == 2:
                    stop = value
                elif field == 4:
                    kind = value
            yield start, stop, kind


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
