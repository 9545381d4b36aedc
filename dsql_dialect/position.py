"""Positions in a text: bytes as the parser counts them, characters as people do."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: `offset` in characters from 0, `line` and `column` in characters from 1."""

    offset: int
    line: int
    column: int


class Source:
    """A text beside its UTF-8 bytes, so that byte offsets become positions, each in logarithmic time.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate, which no database can be sent.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self._ascii = len(self.data) == len(text)

    @cached_property
    def _lines(self) -> list[int]:
        """The character offsets at which lines start."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def _counts(self) -> list[int]:
        """The number of characters before every block of bytes."""
        counts = [0]
        for start in range(0, len(self.data), _BLOCK):
            counts.append(counts[-1] + _characters(self.data[start : start + _BLOCK]))
        return counts

    def characters(self, byte: int) -> int:
        """Return how many characters stand before the byte offset, one that it is within not counted."""
        if self._ascii:
            return byte
        block = min(byte, len(self.data)) // _BLOCK
        before = self._counts[block] + _characters(self.data[block * _BLOCK : byte])
        within = b"\x80" <= self.data[byte : byte + 1] < b"\xc0"
        return before - within

    def position(self, byte: int) -> Position:
        """Return the position of a byte offset."""
        return self.at(self.characters(byte))

    def at(self, offset: int) -> Position:
        """Return the position of a character offset."""
        line = bisect_right(self._lines, offset)
        return Position(offset, line, offset - self._lines[line - 1] + 1)

    def slice(self, start: int, end: int) -> str:
        """Return the text between two byte offsets."""
        return self.text[start:end] if self._ascii else self.data[start:end].decode()


_BLOCK = 4096


def _characters(data: bytes) -> int:
    """Return how many characters begin in a piece of UTF-8: all bytes but continuations, 0x80 to 0xBF."""
    return len(data.translate(None, _CONTINUATIONS))


_CONTINUATIONS = bytes(range(0x80, 0xC0))
