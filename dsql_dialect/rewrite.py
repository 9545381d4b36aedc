"""SQL with a clause blanked out: as long as before, so that positions stay true. And SQL with another name."""

from __future__ import annotations

from dsql_dialect import libpg_query


def without_unique(create_index: str) -> str:
    """Return CREATE UNIQUE INDEX without the word UNIQUE, any other statement as it is."""
    tokens = libpg_query.scan(create_index.encode())
    if len(tokens) < 2 or tokens[1].word != "UNIQUE":
        return create_index
    return _blanked(create_index, tokens[1].start, tokens[1].end)


def without_on_conflict(insert: str, offset: int) -> str:
    """Return an INSERT without the ON CONFLICT clause that begins at a byte offset: up to RETURNING or to the end.

    RETURNING is a reserved word: it can only be something else behind a dot, or in parentheses.
    """
    data = insert.encode()
    depth, before = 0, ""
    for token in libpg_query.scan(data[offset:]):
        depth += (token.word in ("(", "[")) - (token.word in (")", "]"))
        if token.word == "RETURNING" and depth == 0 and before != ".":
            return _blanked(insert, offset, offset + token.start)
        before = token.word
    return _blanked(insert, offset, len(data))


def with_name(sql: str, name: str, other: str) -> str:
    """Return a text with its first token that is a name, quoted or not, replaced by another name."""
    data = sql.encode()
    for token in libpg_query.scan(data):
        written = data[token.start : token.end].decode()
        if written.strip('"').lower() == name:
            return data[: token.start].decode() + other + data[token.end :].decode()
    return sql


def _blanked(sql: str, start: int, end: int) -> str:
    """Return a text with the bytes from `start` to `end` replaced by as many spaces as they have characters."""
    data = sql.encode()
    removed = data[start:end].decode()
    return data[:start].decode() + " " * len(removed) + data[end:].decode()
