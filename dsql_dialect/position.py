"""Where something stands in a text: bytes as the parser counts them, characters as people do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: `offset` in characters from 0, `line` and `column` in characters from 1."""

    offset: int
    line: int
    column: int


class Source:
    """A text beside its UTF-8 bytes, so that byte offsets become positions.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate, which no database can be sent.
    """

    __slots__ = ("_ascii", "data", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self._ascii = len(self.data) == len(text)

    def characters(self, byte: int) -> int:
        """Return how many characters stand before the byte offset."""
        return byte if self._ascii else len(self.data[:byte].decode(errors="ignore"))

    def position(self, byte: int) -> Position:
        """Return the position of a byte offset."""
        return position_of(self.text, self.characters(byte))

    def slice(self, start: int, end: int) -> str:
        """Return the text between two byte offsets."""
        return self.text[start:end] if self._ascii else self.data[start:end].decode()


def position_of(text: str, offset: int) -> Position:
    """Return the position of a character offset."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(offset, text.count("\n", 0, line_start) + 1, offset - line_start + 1)
