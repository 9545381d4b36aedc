"""Tokens of expressions, and the limits of an expression that are seen in its tokens.

Source: AWS developer guide, "Quotas in Amazon DynamoDB", expression parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_dynamodb.engine.errors import invalid

EXPRESSION_BYTES = 4096
"""Bytes of an expression in UTF-8."""

OPERATORS = 300
"""Operators of an expression; of an UpdateExpression, operators and functions."""

_SPACE = " \t\r\n"
_TOKEN = re.compile(
    rf"[{_SPACE}]*(?:(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<number>0|[1-9][0-9]*)|(?P<sign><>|<=|>=|[=<>(),.\[\]+\-]))"
)
KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
# `BETWEEN … AND …` is one operator, counted by its AND.
_OPERATORS = frozenset({"AND", "OR", "NOT", "IN", *COMPARISONS})


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind (`word`, `name`, `value`, `number`, `sign`, `keyword`, `end`), its text and its place."""

    kind: str
    text: str
    start: int
    end: int


class Tokens:
    """Tokens of one expression, with a position.

    Raises:
        ApiError: the expression is empty, too long, or has too many operators or redundant parentheses.
    """

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self._text = text
        self._tokens: list[Token] = []
        self._position = 0
        if not text:
            raise self.error("The expression can not be empty;")
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > EXPRESSION_BYTES:
            raise self.error(
                f"Expression size has exceeded the maximum allowed size; expression size: {size}"
            )
        end = len(text.rstrip(_SPACE))
        at = 0
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                rest = text[at:].strip(_SPACE)
                raise self.error(f'Syntax error; token: "{rest[:1]}", near: "{rest[:10]}"')
            name = str(found.lastgroup)
            word = found[name]
            if name == "word" and word.upper() in KEYWORDS:
                name, word = "keyword", word.upper()
            self._tokens.append(Token(name, word, found.start(found.lastindex or 0), found.end()))
            at = found.end()
        self._tokens.append(Token("end", "<EOF>", len(text), len(text)))
        self._closing = _closing(self._tokens)
        self._check_parentheses()
        self._check_operators()

    @property
    def next(self) -> Token:
        """The next token."""
        return self._tokens[self._position]

    def peek(self, distance: int = 1) -> Token:
        """Return the token after the next one."""
        return self._tokens[min(self._position + distance, len(self._tokens) - 1)]

    def after_parenthesis(self) -> Token:
        """Return the token after the parenthesis that closes the next one.

        Raises:
            ApiError: nothing closes it.
        """
        if self._position not in self._closing:
            self._position = len(self._tokens) - 1
            raise self.syntax_error()
        return self._tokens[self._closing[self._position] + 1]

    def take(self) -> Token:
        """Return the next token, and go on."""
        token = self.next
        self._position += 1
        return token

    def accept(self, *texts: str) -> str | None:
        """Return the next token if it is one of these signs or keywords, and go on; else None."""
        if self.next.kind in ("sign", "keyword") and self.next.text in texts:
            return self.take().text
        return None

    def expect(self, text: str) -> None:
        """Go on after a sign or keyword.

        Raises:
            ApiError: another token comes.
        """
        if self.accept(text) is None:
            raise self.syntax_error()

    def end(self) -> None:
        """Check that there is no further token."""
        if self.next.kind != "end":
            raise self.syntax_error()

    def is_call(self) -> bool:
        """Return whether a function with its parenthesis comes next."""
        return self.next.kind == "word" and self.peek().text == "("

    def syntax_error(self) -> Exception:
        """Return the error for the next token."""
        near = self._text[self._tokens[max(0, self._position - 1)].start : self.peek().end]
        return self.error(f'Syntax error; token: "{self.next.text}", near: "{near}"')

    def error(self, message: str) -> Exception:
        """Return an error of this expression."""
        return invalid(f"Invalid {self.kind}: {message}")

    def _check_parentheses(self) -> None:
        for opening, closing in self._closing.items():
            before = self._tokens[opening - 1] if opening else None
            is_group = before is None or (before.kind != "word" and before.text != "IN")
            if is_group and self._closing.get(opening + 1) == closing - 1:
                raise self.error("The expression has redundant parentheses;")

    def _check_operators(self) -> None:
        if self.kind == "UpdateExpression":
            count = sum(token.text in ("+", "-", "(") for token in self._tokens)
        else:
            count = sum(
                token.kind in ("sign", "keyword") and token.text in _OPERATORS for token in self._tokens
            )
        if count > OPERATORS:
            raise self.error(f"The expression contains too many operators; operator count: {OPERATORS + 1}")


def _closing(tokens: list[Token]) -> dict[int, int]:
    """Return the place of the closing parenthesis for each opening one; unbalanced ones have none."""
    opened: list[int] = []
    found: dict[int, int] = {}
    for place, token in enumerate(tokens):
        if token.text == "(":
            opened.append(place)
        elif token.text == ")" and opened:
            found[opened.pop()] = place
    return found
