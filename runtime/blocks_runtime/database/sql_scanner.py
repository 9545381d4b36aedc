"""Scanner for quotes and comments in SQL: whether a text ends inside one, and the text without them.

A placeholder must stand outside of both. Inside a literal, `$1` would be two characters of text, and the text after it
could end the literal; so every fragment is closed in itself, and joined fragments keep their meaning.

Source: PostgreSQL 16 documentation, "Lexical Structure"; `standard_conforming_strings` cannot be turned off.
"""

from __future__ import annotations

LINE_COMMENT = "a -- comment"
_LITERAL, _NAME, _DOLLAR = "a string literal", "a quoted name", "a dollar-quoted string"
_REPLACEMENTS = {_LITERAL: "'", _NAME: '"', _DOLLAR: "'"}


def unclosed(text: str) -> str | None:
    """Return the quote or comment that is open at the end of `text` (such as `LINE_COMMENT`), or None.

    Raises:
        ValueError: the text has a parameter such as `$1`, whose number would collide with generated ones.
    """
    at, inside = 0, None
    while 0 <= at < len(text):
        at, inside = _step(text, at)
    return inside if at < 0 else None


def strip_literals(text: str) -> str:
    """Return a closed text with each quoted part replaced by its quote character, and each comment by a space."""
    pieces, at = [], 0
    while 0 <= at < len(text):
        after, inside = _step(text, at)
        pieces.append(text[at:after] if inside is None else _REPLACEMENTS.get(inside, " "))
        at = after
    return "".join(pieces)


def _step(text: str, at: int) -> tuple[int, str | None]:
    """Return the end of the token at `at` (-1 if it is not closed) and its kind, None for plain text."""
    char, word = text[at], _past_word(text, at)
    if word > at:
        escapes = text[at:word] in ("e", "E") and text.startswith("'", word)
        return (_past_escaped(text, word + 1), _LITERAL) if escapes else (word, None)
    if char in "'\"":
        after = text.find(char, at + 1) + 1 or -1  # a doubled quote reads as a close and an open
        return after, _LITERAL if char == "'" else _NAME
    if text.startswith("--", at):
        return _line_end(text, at), LINE_COMMENT
    if text.startswith("/*", at):
        return _past_comment(text, at), "a /* comment"
    if char == "$":
        return _past_dollar(text, at), _DOLLAR
    return at + 1, None


def is_word(char: str) -> bool:
    """Return whether a character can be part of a name, a number or a parameter."""
    return char.isalnum() or char in "_$" or char > "\x7f"


def _past_word(text: str, at: int) -> int:
    """Return the end of the name at `at`, or `at` if there is none."""
    if text[at] in "$0123456789":
        return at
    while at < len(text) and is_word(text[at]):
        at += 1
    return at


def _past_escaped(text: str, at: int) -> int:
    """Return the end of an E'…' literal, or -1; a backslash escapes the next character.

    The literal continues after a doubled quote, and where another quote follows on a later line: read as a new
    literal, backslashes in it would no longer escape.
    """
    while at < len(text):
        if text[at] == "'" and text[at : at + 2] != "''":
            at, end = _continuation(text, at + 1), at + 1
            if at < 0:
                return end
            at += 1
        else:
            at += 2 if text[at] in "\\'" else 1
    return -1


def _continuation(text: str, at: int) -> int:
    """Return the position of the quote that continues a literal on a later line, or -1.

    Versions of PostgreSQL differ on whether a comment may stand in between; allowing it here is the stricter reading.
    """
    line_ended = False
    while at < len(text):
        if text[at] in " \t\f\v\n\r":
            line_ended = line_ended or text[at] in "\n\r"
            at += 1
        elif text.startswith("--", at):
            end = _line_end(text, at)
            at = end if end >= 0 else len(text)
        else:
            break
    return at if line_ended and text.startswith("'", at) else -1


def _line_end(text: str, at: int) -> int:
    """Return the position of the next line feed or carriage return, which both end a line comment, or -1."""
    ends = [end for end in (text.find("\n", at), text.find("\r", at)) if end >= 0]
    return min(ends, default=-1)


def _past_comment(text: str, at: int) -> int:
    """Return the end of a /* comment */, or -1; comments nest."""
    depth = 0
    while at < len(text):
        pair = text[at : at + 2]
        depth += {"/*": 1, "*/": -1}.get(pair, 0)
        at += 2 if pair in ("/*", "*/") else 1
        if depth == 0:
            return at
    return -1


def _past_dollar(text: str, at: int) -> int:
    """Return the end of $tag$…$tag$, or -1; a lone dollar sign is one character, which the server refuses."""
    if text[at + 1 : at + 2].isdecimal():
        number = text[at : at + 2]
        raise ValueError(f"a parameter {number}… written by hand; write {{name}} and pass name=…")
    end = text.find("$", at + 1)
    tag = text[at + 1 : end]
    if end < 0 or not all(map(is_word, tag)):
        return at + 1
    closing = text.find(text[at : end + 1], end + 1)
    return closing + len(tag) + 2 if closing >= 0 else -1
