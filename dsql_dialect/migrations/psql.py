"""Lines of a file that psql keeps to itself: its own commands, and the rows behind COPY … FROM stdin.

pg_dump writes both. They are blanked, so that the statements around them are read, and at their places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_MAY_HAVE_SOME = re.compile(r"\\|\bstdin\b", re.IGNORECASE)
_LEXEME = re.compile(
    r"(?P<comment>/\*)|--[^\n]*"
    r"|[eE]'(?:[^'\\]|\\[\s\S]|'')*+'?|'[^']*+'?|\"[^\"]*+\"?"
    r"|(?P<quote>\$(?:[^\W\d]\w*)?\$)"
    r"|(?P<word>[^\W\d][\w$]*+)|(?P<end>\\?;)|(?P<command>\\(?:'[^'\n]*'|(?!\\\\)[^\n])*+(?:\\\\)?)|\S"
)
_COPIES_ROWS = re.compile(r"\\copy\s.*\bfrom\s+p?stdin\b.*", re.IGNORECASE)
_EDGE = re.compile(r"/\*|\*/")
_END_OF_ROWS = re.compile(r"^\\\.[ \t]*$", re.MULTILINE)
_NOT_A_LINE_END = re.compile(r"[^\n]")


@dataclass(frozen=True, slots=True)
class PsqlText:
    """A text without psql's lines: `sql` is as long, and `commands` are the offsets and texts of its commands."""

    sql: str
    commands: tuple[tuple[int, str], ...] = ()


def read(text: str) -> PsqlText:
    """Return what a text sends to the server, and psql's own commands in it, in one pass from left to right."""
    if not _MAY_HAVE_SOME.search(text):
        return PsqlText(text)
    parts: list[str] = []
    commands: list[tuple[int, str]] = []
    words: list[str] = []
    at = kept = 0
    while (found := _LEXEME.search(text, at)) is not None:
        at = found.end()
        if found["comment"]:
            at = _behind_comment(text, at)
        elif found["quote"]:
            closed = text.find(found["quote"], at)
            at = closed + len(found["quote"]) if closed >= 0 else len(text)
        elif found["command"]:
            commands.append((found.start(), found["command"].rstrip()))
            rows = _rows(text, at) if _COPIES_ROWS.fullmatch(found["command"]) else at
            parts += [
                text[kept : found.start()],
                ";" if words else " ",
                _blank(text[found.start() + 1 : rows]),
            ]
            at = kept = rows
            words = []
        elif found["end"]:
            rows = _rows(text, at) if _takes_rows(words) else at
            parts += [text[kept : found.start()], found["end"].replace("\\", " "), _blank(text[at:rows])]
            at = kept = rows
            words = []
        elif not found[0].startswith("--") and len(words) < _MOST_WORDS:
            words.append(found[0].upper())
    return PsqlText("".join([*parts, text[kept:]]), tuple(commands))


_MOST_WORDS = 4096
"""Words of a statement that are looked at; COPY names its columns before FROM stdin."""


def _takes_rows(words: list[str]) -> bool:
    """Return whether the words of a statement are COPY … FROM stdin."""
    return words[:1] == ["COPY"] and ("FROM", "STDIN") in pairwise(words)


def _rows(text: str, at: int) -> int:
    """Return the offset behind the rows that begin on the line after `at`: behind `\\.`, or the end of the text."""
    end = _END_OF_ROWS.search(text, at)
    return len(text) if end is None else end.end()


def _behind_comment(text: str, at: int) -> int:
    depth = 1
    while depth:
        edge = _EDGE.search(text, at)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return at


def _blank(text: str) -> str:
    return _NOT_A_LINE_END.sub(" ", text)
