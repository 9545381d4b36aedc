"""Tokens of expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_dynamodb.engine.errors import invalid

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<number>\d+)|(?P<sign><>|<=|>=|[=<>(),.\[\]+\-]))"
)
KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind (`word`, `name`, `value`, `number`, `sign`, `keyword`, `end`) and its text."""

    kind: str
    text: str


class Tokens:
    """Tokens of one expression, with a position."""

    def __init__(self, kind: str, text: str) -> None:
        self._kind = kind
        self._tokens: list[Token] = []
        self._position = 0
        if not text.strip():
            raise invalid(f"Invalid {kind}: The expression can not be empty;")
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self.error(
                    f'Syntax error; token: "{text[at:].strip()[:1]}", near: "{text[at:].strip()[:10]}"'
                )
            name = str(found.lastgroup)
            word = found[name]
            if name == "word" and word.upper() in KEYWORDS:
                name, word = "keyword", word.upper()
            self._tokens.append(Token(name, word))
            at = found.end()
        self._tokens.append(Token("end", "<EOF>"))

    @property
    def next(self) -> Token:
        """The next token."""
        return self._tokens[self._position]

    def peek(self, distance: int = 1) -> Token:
        """Return the token after the next one."""
        return self._tokens[min(self._position + distance, len(self._tokens) - 1)]

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

    def syntax_error(self) -> Exception:
        """Return the error for the next token."""
        near = " ".join(token.text for token in self._tokens[max(0, self._position - 1) : self._position + 2])
        return self.error(f'Syntax error; token: "{self.next.text}", near: "{near}"')

    def error(self, message: str) -> Exception:
        """Return an error of this expression."""
        return invalid(f"Invalid {self._kind}: {message}")
