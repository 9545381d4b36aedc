"""SQL with a clause blanked out: as long as before, so that positions stay true. And SQL with another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def without_unique(create_index: str) -> str:
    """Return CREATE UNIQUE INDEX without the word UNIQUE, any other statement as it is."""
    tokens = libpg_query.scan(create_index.encode())
    if len(tokens) < 2 or tokens[1].word != "UNIQUE":
        return create_index
    return _blanked(create_index, tokens[1].start, tokens[1].end)


def with_name(sql: str, name: str, other: str) -> str:
    """Return a text with its first token that is a name, quoted or not, replaced by another name."""
    data = sql.encode()
    for token in libpg_query.scan(data):
        written = data[token.start : token.end].decode()
        if written.strip('"').lower() == name:
            return data[: token.start].decode() + other + data[token.end :].decode()
    return sql


_STRENGTHS = (("UPDATE",), ("NO", "KEY", "UPDATE"), ("SHARE",), ("KEY", "SHARE"))
_WAITS = (("NOWAIT",), ("SKIP", "LOCKED"))


def without_lock_waits(sql: str) -> str:
    """Return a text without NOWAIT and SKIP LOCKED in the locking clauses (FOR UPDATE …) of its queries.

    FOR is a reserved word, so FOR and a strength are a locking clause wherever they are.
    """
    tokens = libpg_query.scan(sql.encode())
    words = [token.word for token in tokens]
    for index in reversed([number for number, word in enumerate(words) if word == "FOR"]):
        at = _after_names(words, _after(words, index + 1, _STRENGTHS))
        end = _after(words, at, _WAITS)
        if end > at > index + 1:
            sql = _blanked(sql, tokens[at].start, tokens[end - 1].end)
    return sql


def with_body(create_function: str, body: str, other: str) -> str:
    """Return CREATE FUNCTION with another body; of the same length, unless the body is written with escapes."""
    for quoted in (body, body.replace("'", "''")):
        if create_function.count(quoted) == 1:
            return create_function.replace(quoted, other if quoted is body else other.replace("'", "''"))
    data = create_function.encode()
    for token in libpg_query.scan(data):
        if _value(data[token.start : token.end]) == body:
            literal = "'" + other.replace("'", "''") + "'"
            return data[: token.start].decode() + literal + data[token.end :].decode()
    return create_function


def _value(token: bytes) -> str | None:
    """Return the value of a string literal, None for any other token."""
    if not token.endswith(b"'"):
        return None
    (tree,) = libpg_query.parse(b"SELECT " + token)
    (target,) = tree["stmt"]["SelectStmt"]["targetList"]
    value = target["ResTarget"]["val"].get("A_Const", {}).get("sval")
    return None if value is None else str(value.get("sval", ""))


def _after(words: Sequence[str], at: int, phrases: Iterable[tuple[str, ...]]) -> int:
    """Return the index behind the one of some phrases that is at an index, or the index."""
    return next((at + len(each) for each in phrases if tuple(words[at : at + len(each)]) == each), at)


def _after_names(words: Sequence[str], at: int) -> int:
    """Return the index behind `OF a, b.c` at an index, or the index."""
    if words[at : at + 1] != ["OF"]:
        return at
    at += 2
    while words[at : at + 1] in (["."], [","]):
        at += 2
    return at


def _blanked(sql: str, start: int, end: int) -> str:
    """Return a text with the bytes from `start` to `end` replaced by as many spaces as they have characters."""
    data = sql.encode()
    removed = data[start:end].decode()
    return data[:start].decode() + " " * len(removed) + data[end:].decode()
