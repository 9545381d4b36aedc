"""Pre-pass over the scanner's tokens for DSQL's own syntax: cut statements apart, blank ASYNC, read AWS IAM by hand.

PostgreSQL's parser is given a text as long as the one that was written, so its offsets stay true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.comments import skip_trivia
from dsql_dialect.libpg_query import SqlSyntaxError, Token
from dsql_dialect.statement import IamStatement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dsql_dialect.position import Source
    from dsql_dialect.rule import Node

_SYNTAX_OF_DSQL = re.compile(rb"\b(?:async|aws)\b", re.IGNORECASE)
_NESTED_STATEMENTS = re.compile(rb"\batomic\b", re.IGNORECASE)
_CHUNK = 1 << 16
"""Bytes of a text that are parsed at once: a tree takes a hundred times the memory of its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One statement between two byte offsets of the text: a parse tree, an AWS IAM statement or an error.

    `base` is what to add to the tree's byte offsets; `blank` is the byte range of a blanked ASYNC.
    """

    start: int
    end: int
    base: int = 0
    tree: Node = field(default_factory=dict)
    iam: IamStatement | None = None
    error: SqlSyntaxError | None = None
    blank: tuple[int, int] | None = None


def pieces(source: Source) -> Iterator[Piece]:
    """Cut a text into statements; a statement that is no SQL becomes a piece with an error, its neighbours are read."""
    start = 0
    for end in _chunks(source.data):
        yield from _pieces(source, start, end)
        start = end


def _chunks(data: bytes) -> Iterator[int]:
    """Yield the byte offsets behind whole statements of about `_CHUNK` bytes, the last being the end of the text."""
    start = 0
    for end in _ends(data) if len(data) > 2 * _CHUNK else ():
        if end - start >= _CHUNK and end < len(data):
            start = end + 1  # behind the semicolon
            yield start
    yield len(data)


def _ends(data: bytes) -> list[int]:
    if _NESTED_STATEMENTS.search(data):
        return []
    try:
        return libpg_query.ends(data)
    except SqlSyntaxError:
        return []


def _pieces(source: Source, start: int, end: int) -> Iterator[Piece]:
    """Cut the part of a text between two byte offsets into statements."""
    data = source.data[start:end]
    if not _SYNTAX_OF_DSQL.search(data):
        try:
            raw = libpg_query.parse(data)
        except SqlSyntaxError:
            pass  # read again below, statement by statement
        else:
            yield from (_piece_of(data, each, start) for each in raw)
            return
    try:
        tokens = libpg_query.scan(data)
    except SqlSyntaxError as error:
        yield from _unterminated(source, start, end, error)
        return
    yield from (_read(source, start, statement) for statement in split(tokens))


def _unterminated(source: Source, start: int, end: int, error: SqlSyntaxError) -> Iterator[Piece]:
    """Cut a text of which a quote or a comment does not end: the statements before it are read."""
    before = source.characters(start) + error.at
    quote = len(source.text[:before].encode())
    read = [*split(libpg_query.scan(source.data[start:quote]))]
    complete = [each for each in read if _ends_within(source, start + each[-1].end, quote)]
    yield from (_read(source, start, each) for each in complete)
    begin = start + complete[-1][-1].end + 1 if complete else start
    begin = skip_trivia(source.data, begin)
    while source.data[begin : begin + 1] == b";":
        begin = skip_trivia(source.data, begin + 1)
    stop = max(begin, start + len(source.data[start:end].rstrip()))
    yield Piece(start=begin, end=stop, error=SqlSyntaxError(error.message, before))


def _ends_within(source: Source, at: int, end: int) -> bool:
    """Return whether the statement up to a byte offset has its semicolon before `end`."""
    at = skip_trivia(source.data, at)
    return at < end and source.data[at : at + 1] == b";"


def _piece_of(data: bytes, raw: Node, base: int) -> Piece:
    """Return the statement of a RawStmt node in `data`, which begins at the byte offset `base` of the whole text."""
    start = raw.get("stmt_location", 0)
    end = start + raw["stmt_len"] if raw.get("stmt_len") else len(data)
    begin = skip_trivia(data, start)
    sql = data[begin:end]
    commented = b"--" in sql or b"/*" in sql
    length = libpg_query.scan(sql)[-1].end if commented else len(sql.rstrip())
    tree = raw["stmt"]
    if "IndexStmt" in tree:
        tree["IndexStmt"]["using"] = _names_access_method(sql)
    return Piece(start=base + begin, end=base + begin + length, base=base, tree=tree)


def split(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Cut tokens at the semicolons that end statements: none in parentheses or in BEGIN ATOMIC … END."""
    begin = parentheses = blocks = 0
    for index, token in enumerate(tokens):
        word = token.word
        parentheses = max(parentheses + (word == "(") - (word == ")"), 0)
        if blocks:
            blocks += (word == "CASE") - (word == "END")
        elif word == "ATOMIC" and index and tokens[index - 1].word == "BEGIN":
            blocks = 1
        if word == ";" and not parentheses and not blocks:
            if index > begin:
                yield tokens[begin:index]
            begin = index + 1
    if begin < len(tokens):
        yield tokens[begin:]


def _read(source: Source, base: int, tokens: Sequence[Token]) -> Piece:
    """Read one statement, whose tokens are placed from the byte offset `base` on."""
    if base:
        tokens = [Token(each.start + base, each.end + base, each.text) for each in tokens]
    start, end = tokens[0].start, tokens[-1].end
    words = [token.word for token in tokens[:4]]
    try:
        if words[:2] == ["AWS", "IAM"]:
            return Piece(start=start, end=end, iam=_iam(source, tokens))
        if words[:3] == ["ALTER", "TABLE", "ASYNC"]:
            return _alter_table(source, tokens)
        index = ["INDEX", "ASYNC"] in (words[1:3], words[2:4]) and words[0] == "CREATE"
        blank = tokens[words.index("ASYNC")] if index else None
        return _parsed(source, start, end, blank)
    except SqlSyntaxError as error:
        return Piece(start=start, end=end, error=_in_whole(source, error, end))


def _in_whole(source: Source, error: SqlSyntaxError, end: int) -> SqlSyntaxError:
    """Return an error at the end of a statement as it is in the whole text: at its semicolon, or at the text's end."""
    if not error.message.endswith("at end of input"):
        return error
    at = skip_trivia(source.data, end)
    if source.data[at : at + 1] == b";":
        return SqlSyntaxError('syntax error at or near ";"', source.characters(at))
    return SqlSyntaxError(error.message, source.characters(len(source.data)))


def _parsed(source: Source, start: int, end: int, blank: Token | None) -> Piece:
    sql = source.data[start:end]
    if blank is not None:
        sql = sql[: blank.start - start] + b" " * (blank.end - blank.start) + sql[blank.end - start :]
    try:
        tree = libpg_query.parse(sql)[0]["stmt"]
    except SqlSyntaxError as error:
        raise SqlSyntaxError(error.message, source.characters(start) + error.at) from None
    if "IndexStmt" in tree:
        tree["IndexStmt"]["using"] = _names_access_method(sql)
    if blank is None:
        return Piece(start=start, end=end, base=start, tree=tree)
    for node in tree.values():  # the grammar has no ASYNC, so the tree is told here
        node["async"] = True
    return Piece(start=start, end=end, base=start, tree=tree, blank=(blank.start, blank.end))


def _names_access_method(create_index: bytes) -> bool:
    """Return whether USING is written before the keys: the tree has btree with or without it."""
    words = [token.word for token in libpg_query.scan(create_index)]
    return "USING" in words[: words.index("(")] if "(" in words else False


def _alter_table(source: Source, tokens: Sequence[Token]) -> Piece:
    """Read `ALTER TABLE ASYNC …`: where PostgreSQL can read it, ASYNC is a table of that name."""
    start, end = tokens[0].start, tokens[-1].end
    try:
        return _parsed(source, start, end, None)
    except SqlSyntaxError:
        return _parsed(source, start, end, tokens[2])


def _iam(source: Source, tokens: Sequence[Token]) -> IamStatement:
    """Read `AWS IAM GRANT role TO 'arn'` or `AWS IAM REVOKE role FROM 'arn'`."""
    revoke = len(tokens) > 2 and tokens[2].word == "REVOKE"
    shape = ("AWS", "IAM", "GRANT|REVOKE", r'".*"|[^\W\d][\w$]*', "FROM" if revoke else "TO", "'.*'")
    for index, pattern in enumerate(shape):
        if index == len(tokens):
            raise SqlSyntaxError("syntax error at end of input", source.characters(tokens[-1].end))
        if not re.fullmatch(pattern, tokens[index].text, re.IGNORECASE | re.DOTALL):
            raise _unexpected(source, tokens[index])
    if len(tokens) > len(shape):
        raise _unexpected(source, tokens[len(shape)])
    return IamStatement(_name(tokens[3].text), tokens[5].text[1:-1].replace("''", "'"), revoke)


def _name(text: str) -> str:
    return text[1:-1].replace('""', '"') if text[0] == '"' else text.lower()


def _unexpected(source: Source, token: Token) -> SqlSyntaxError:
    return SqlSyntaxError(f'syntax error at or near "{token.text}"', source.characters(token.start))
