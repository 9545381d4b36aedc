"""From the hits of rules to findings: at a token, in DSQL's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.rule import Finding
from dsql_dialect.rules import NOT_IMPLEMENTED, SYNTAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dsql_dialect.libpg_query import SqlSyntaxError, Token
    from dsql_dialect.position import Source
    from dsql_dialect.prepass import Piece
    from dsql_dialect.rule import Hit, Rule

_END = "end of input"


def syntax_finding(source: Source, error: SqlSyntaxError) -> Finding:
    """Return the finding for a text that the parser cannot read."""
    rule = NOT_IMPLEMENTED if error.message.endswith(("not yet implemented", "not implemented")) else SYNTAX
    return Finding(rule, error.message, source.position(len(source.text[: error.at].encode())))


def findings(source: Source, piece: Piece, hits: Iterable[tuple[Rule, Hit]]) -> tuple[Finding, ...]:
    """Return the findings of one statement, the first being the one that DSQL would answer with.

    What the grammar refuses comes before all else; then the order is that of the text.
    """
    found = dict.fromkeys(_finding(source, piece, rule, hit) for rule, hit in hits)
    return tuple(sorted(found, key=lambda each: (each.sqlstate != SYNTAX.sqlstate, each.position)))


def _finding(source: Source, piece: Piece, rule: Rule, hit: Hit) -> Finding:
    at = piece.start if hit.at is None or hit.at < 0 else piece.base + hit.at
    if not hit.words and not hit.after_parentheses:
        return Finding(rule, rule.text.format(**hit.values), source.position(at))
    offset, token = _blamed(source, piece, hit, at)
    message = rule.text.format(token=token, **hit.values)
    return Finding(rule, message.replace(f'at or near "{_END}"', f"at {_END}"), source.position(offset))


def _blamed(source: Source, piece: Piece, hit: Hit, at: int) -> tuple[int, str]:
    """Return the byte offset and the text of the token to blame."""
    data = source.data[: piece.end]
    start = max(at, piece.start)
    tokens = libpg_query.scan(data[start:])
    index = (
        _behind_parentheses(tokens) if hit.after_parentheses else _word(tokens, hit.words) + hit.next_token
    )
    if index is None or index >= len(tokens):
        return piece.end, _END
    return start + tokens[index].start, tokens[index].text


def _word(tokens: Sequence[Token], words: Sequence[str]) -> int:
    """Return the index of the first token that is one of the words, or of the first token where none is."""
    return next((index for index, token in enumerate(tokens) if token.word in words), 0)


def _behind_parentheses(tokens: Sequence[Token]) -> int | None:
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.word == "(") - (token.word == ")")
        if token.word == ")" and depth == 0:
            return index + 1
    return None
