"""Whether a piece of SQL ends where a new token may begin: a scanner for quotes and comments, nothing more.

A value or a fragment may be set in only there. Inside a literal, `$1` would be two characters of text and what
follows could end the literal; so every piece is closed by itself, and pieces set together stay what they were.

Source: PostgreSQL 16 documentation, "Lexical Structure"; `standard_conforming_strings` cannot be turned off.
"""

from __future__ import annotations

LINE_COMMENT = "a -- comment"
_LITERAL, _NAME, _DOLLAR = "a string literal", "a quoted name", "a dollar-quoted string"
_STAND_INS = {_LITERAL: "'", _NAME: '"', _DOLLAR: "'"}


def unclosed(text: str) -> str | None:
    """Return what the end of `text` lies inside of (`LINE_COMMENT` or another), or None where it is closed.

    Raises:
        ValueError: the text holds a parameter such as `$1`, whose number would collide with those given out.
    """
    at, inside = 0, None
    while 0 <= at < len(text):
        at, inside = _step(text, at)
    return inside if at < 0 else None


def strip_literals(text: str) -> str:
    """Return a closed text without what quotes and comments hold, a single quote character in the place of each."""
    pieces, at = [], 0
    while 0 <= at < len(text):
        after, inside = _step(text, at)
        pieces.append(text[at:after] if inside is None else _STAND_INS.get(inside, " "))
        at = after
    return "".join(pieces)


def _step(text: str, at: int) -> tuple[int, str | None]:
    """Return the place after what begins at `at`, -1 where it has no end, and what it is, None for plain text."""
    char, word = text[at], _past_word(text, at)
    if word > at:
        escapes = text[at:word] in ("e", "E") and text.startswith("'", word)
        return (_past_escaped(text, word + 1), _LITERAL) if escapes else (word, None)
    if char in "'\"":
        after = text.find(char, at + 1) + 1 or -1  # a doubled quote closes and opens anew
        return after, _LITERAL if char == "'" else _NAME
    if text.startswith("--", at):
        return text.find("\n", at), LINE_COMMENT
    if text.startswith("/*", at):
        return _past_comment(text, at), "a /* comment"
    if char == "$":
        return _past_dollar(text, at), _DOLLAR
    return at + 1, None


def is_word(char: str) -> bool:
    """Say whether a character can be part of a name, a number or a parameter."""
    return char.isalnum() or char in "_$" or char > "\x7f"


def _past_word(text: str, at: int) -> int:
    """Return the place after the name that begins at `at`, or `at` where none does."""
    if text[at] in "$0123456789":
        return at
    while at < len(text) and is_word(text[at]):
        at += 1
    return at


def _past_escaped(text: str, at: int) -> int:
    """Return the place after the quote that ends E'…', or -1; a backslash takes the next character with it.

    It goes on after a doubled quote, and where another quote follows on a later line: were these an end and a new
    beginning, backslashes would count no more.
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
    """Return the place of the quote with which a literal goes on after a line's end, or -1.

    Versions of PostgreSQL differ on whether a comment may stand in between; here it may, which refuses the more.
    """
    line_ended = False
    while at < len(text):
        if text[at] in " \t\f\v\n\r":
            line_ended = line_ended or text[at] in "\n\r"
            at += 1
        elif text.startswith("--", at):
            at = min(end for end in (text.find("\n", at), text.find("\r", at), len(text)) if end >= 0)
        else:
            break
    return at if line_ended and text.startswith("'", at) else -1


def _past_comment(text: str, at: int) -> int:
    """The same for /* comments */, which nest."""
    depth = 0
    while at < len(text):
        pair = text[at : at + 2]
        depth += {"/*": 1, "*/": -1}.get(pair, 0)
        at += 2 if pair in ("/*", "*/") else 1
        if depth == 0:
            return at
    return -1


def _past_dollar(text: str, at: int) -> int:
    """The same for $tag$…$tag$; a lone dollar sign is left to the server, which will refuse it."""
    if text[at + 1 : at + 2].isdecimal():
        number = text[at : at + 2]
        raise ValueError(f"a parameter {number}… written by hand; write {{name}} and pass name=…")
    end = text.find("$", at + 1)
    tag = text[at + 1 : end]
    if end < 0 or not (tag == "" or tag.isidentifier()):
        return at + 1
    closing = text.find(text[at : end + 1], end + 1)
    return closing + len(tag) + 2 if closing >= 0 else -1
