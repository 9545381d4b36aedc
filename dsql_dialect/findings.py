"""Turn the hits of rules into findings: at a token, in DSQL's words."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.rule import Finding
from dsql_dialect.rules import NOT_IMPLEMENTED, SYNTAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dsql_dialect.libpg_query import SqlSyntaxError, Token
    from dsql_dialect.position import Position, Source
    from dsql_dialect.prepass import Piece
    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Hit, Rule

_END = "end of input"
_NOT_IMPLEMENTED = re.compile(
    r"not (?:yet )?implemented$|constraints cannot be marked (?:DEFERRABLE|NOT VALID|NO INHERIT)$"
)
"""Messages of PostgreSQL's grammar that have SQLSTATE 0A000; the parser's library gives no SQLSTATE."""


def syntax_finding(source: Source, error: SqlSyntaxError) -> Finding:
    """Return the finding for a text that the parser cannot read."""
    rule = NOT_IMPLEMENTED if _NOT_IMPLEMENTED.search(error.message) else SYNTAX
    return Finding(rule, error.message, source.at(error.at))


def findings(
    source: Source, piece: Piece, hits: Iterable[tuple[Rule, Hit]], profile: Profile
) -> tuple[Finding, ...]:
    """Return the findings of one statement, the first being the one that DSQL would answer with.

    Refusals by the grammar come before all others; then the order is that of `Rule.precedence`, then that of the text.
    """
    tokens = _Tokens(source, piece)
    found = dict.fromkeys(_finding(source, piece, tokens, rule, hit, profile) for rule, hit in hits)
    return tuple(sorted(found, key=_answered_first))


def _answered_first(finding: Finding) -> tuple[bool, int, Position]:
    return finding.sqlstate != SYNTAX.sqlstate, finding.rule.precedence, finding.position


def _finding(
    source: Source, piece: Piece, tokens: _Tokens, rule: Rule, hit: Hit, profile: Profile
) -> Finding:
    at = piece.start if hit.at is None or hit.at < 0 else piece.base + hit.at
    later = rule.later_answer(profile)
    text = rule.text if later is None else later.text
    if not hit.words and not hit.after_parentheses:
        return Finding(rule, text.format(**hit.values), source.position(at), later)
    offset, token = tokens.blamed(hit, at)
    message = text.format(token=token, **hit.values).replace(f'at or near "{_END}"', f"at {_END}")
    return Finding(rule, message, source.position(offset), later)


class _Tokens:
    """The tokens of one statement, scanned once, when a finding first needs them."""

    def __init__(self, source: Source, piece: Piece) -> None:
        self._source = source
        self._piece = piece

    @cached_property
    def _all(self) -> list[Token]:
        return libpg_query.scan(self._source.data[self._piece.start : self._piece.end])

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, token in enumerate(self._all):
            found.setdefault(token.word, []).append(index)
        return found

    def blamed(self, hit: Hit, at: int) -> tuple[int, str]:
        """Return the byte offset and the text of the token that a hit blames, `at` or behind it."""
        start = self._piece.start
        first = bisect_left(self._all, at - start, key=lambda token: token.start)
        index = self._behind_parentheses(first) if hit.after_parentheses else self._word(first, hit)
        if index is None or index >= len(self._all):
            return self._piece.end, _END
        return start + self._all[index].start, self._all[index].text

    def _word(self, first: int, hit: Hit) -> int:
        """Return the index of the first token that is one of the words, or of the first token where none is."""
        indexes = (self._by_word.get(word, []) for word in hit.words)
        behind = [found[at] for found in indexes if (at := bisect_left(found, first)) < len(found)]
        return min(behind, default=first) + hit.next_token

    def _behind_parentheses(self, first: int) -> int | None:
        depth = 0
        for index in range(first, len(self._all)):
            word = self._all[index].word
            depth += (word == "(") - (word == ")")
            if word == ")" and depth == 0:
                return index + 1
        return None
