"""Tokens of a PL/pgSQL body, and a position among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.libpg_query import SqlSyntaxError
from dsql_dialect.plpgsql.fragments import PlpgsqlSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN, CLOSE = frozenset("(["), frozenset(")]")

RESERVED = frozenset(
    (
        *(
            "ALL",
            "BEGIN",
            "BY",
            "CASE",
            "DECLARE",
            "ELSE",
            "END",
            "EXECUTE",
            "FOR",
            "FOREACH",
            "FROM",
            "IF",
            "IN",
        ),
        *("INTO", "LOOP", "NOT", "NULL", "OR", "STRICT", "THEN", "TO", "USING", "WHEN", "WHILE"),
    )
)
"""Words that name nothing in PL/pgSQL unless they are quoted (PostgreSQL 16, pl_reserved_kwlist.h)."""


class Tokens:
    """The tokens of a body; `at` is the index of the next one.

    Raises:
        PlpgsqlSyntaxError: a quote or a comment does not end.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text
        try:
            self.all = libpg_query.scan(text)
        except SqlSyntaxError as error:
            raise PlpgsqlSyntaxError(error.message, len(text.decode()[: error.at].encode())) from None
        self._words = [token.word for token in self.all]
        self._words.append("")
        self.at = 0

    def word(self, ahead: int = 0) -> str:
        """Return a token in capitals, empty behind the last one."""
        return self._words[min(self.at + ahead, len(self.all))]

    def word_at(self, index: int) -> str:
        """Return the token at an index in capitals."""
        return self._words[index]

    def unexpected(self) -> PlpgsqlSyntaxError:
        """Return the error at the next token."""
        if self.at >= len(self.all):
            return PlpgsqlSyntaxError("syntax error at end of input", len(self.text))
        token = self.all[self.at]
        return PlpgsqlSyntaxError(f'syntax error at or near "{token.text}"', token.start)

    def take(self, *expected: str) -> str:
        """Go behind the next token, one of the expected ones if any are given, and return it.

        Raises:
            PlpgsqlSyntaxError: there is another one, or none.
        """
        word = self.word()
        if not word or (expected and word not in expected):
            raise self.unexpected()
        self.at += 1
        return word

    def skip(self, *expected: str) -> bool:
        """Go behind the next tokens if they are the expected ones; return whether they are."""
        if all(self.word(ahead) == word for ahead, word in enumerate(expected)):
            self.at += len(expected)
            return True
        return False

    def take_name(self) -> str:
        """Go behind a name, and return its token in capitals.

        Raises:
            PlpgsqlSyntaxError: the next token is none.
        """
        if not self.is_name():
            raise self.unexpected()
        return self.take()

    def is_name(self, ahead: int = 0) -> bool:
        """Return whether a token can name a variable, a label, a condition or an option."""
        word = self.word(ahead)
        return is_identifier(word) and word not in RESERVED

    def take_target(self) -> None:
        """Go behind the name of a variable or of its field: `a`, `a.b`, `$1`."""
        if self.word()[:1] == "$" and self.word()[1:].isdigit():
            self.at += 1
        else:
            self.take_name()
        while self.skip("."):
            if not is_identifier(self.word()):
                raise self.unexpected()
            self.at += 1

    def take_string(self) -> None:
        """Go behind a string."""
        if not is_string(self.word()):
            raise self.unexpected()
        self.at += 1

    def separated(self, take: Callable[[], object], by: str = ",") -> None:
        """Call `take` once, and again behind each separator."""
        take()
        while self.skip(by):
            take()

    def until(self, *ends: str) -> tuple[int, int]:
        """Go to the first of the words outside of parentheses; return the range of tokens before it.

        Raises:
            PlpgsqlSyntaxError: the statement ends before that.
        """
        begin, depth = self.at, 0
        while self.at < len(self.all):
            word = self.word()
            if not depth and word in ends:
                return begin, self.at
            depth += (word in OPEN) - (word in CLOSE)
            if depth < 0 or word == ";":
                break
            self.at += 1
        raise self.unexpected()


def is_identifier(word: str) -> bool:
    """Return whether a token is a name, quoted or not, or a keyword."""
    first = word[:1]
    if first in ("U", '"') and word[-1:] == '"':
        return len(word) > 1
    return (first.isalpha() or first == "_" or first > "\x7f") and word[-1:] != "'"


def is_string(word: str) -> bool:
    """Return whether a token is a string."""
    return len(word) > 1 and word[-1:] in ("'", "$") and (word[0] in "'$" or "'" in word)
