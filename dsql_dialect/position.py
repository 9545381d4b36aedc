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

    It counts on from the place that was asked for last: statements are asked for in their order, and a text may hold
    a hundred thousand.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate, which no database can be sent.
    """

    __slots__ = ("_ascii", "_counted", "_line", "data", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self._ascii = len(self.data) == len(text)
        self._counted = 0, 0  # bytes, and the characters that they are
        self._line = 0, 0  # where a line starts, and how many there are before it

    def characters(self, byte: int) -> int:
        """Return how many characters stand before the byte offset."""
        if self._ascii:
            return byte
        counted, characters = self._counted if self._counted[0] <= byte else (0, 0)
        characters += len(self.data[counted:byte].decode(errors="ignore"))
        if self.data[byte : byte + 1] < b"\x80":  # not within a character
            self._counted = byte, characters
        return characters

    def position(self, byte: int) -> Position:
        """Return the position of a byte offset."""
        offset = self.characters(byte)
        counted, lines = self._line if self._line[0] <= offset else (0, 0)
        start = self.text.rfind("\n", 0, offset) + 1
        lines += self.text.count("\n", counted, start)
        self._line = start, lines
        return Position(offset, lines + 1, offset - start + 1)

    def slice(self, start: int, end: int) -> str:
        """Return the text between two byte offsets."""
        return self.text[start:end] if self._ascii else self.data[start:end].decode()


def position_of(text: str, offset: int) -> Position:
    """Return the position of a character offset."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(offset, text.count("\n", 0, line_start) + 1, offset - line_start + 1)
