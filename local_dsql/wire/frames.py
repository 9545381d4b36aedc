"""Cutting a stream of bytes into frames."""

from __future__ import annotations

import struct
from typing import TypeAlias

Frame: TypeAlias = tuple[bytes, bytes]
"""The type byte and the whole frame; the body begins at `BODY`."""

BODY = 5
_HEADER = struct.Struct("!cI")
_LENGTH = struct.Struct("!I")
_DATA_ROW = b"D"[0]


class FrameTooLong(Exception):
    """A frame announces more bytes than its sender may send in one."""


class FrameReader:
    """Collects bytes and hands out the frames that are complete.

    Args:
        limit: most bytes that the length field of a frame may announce; None: whatever it says.
    """

    __slots__ = ("_limit", "rest")

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self.rest = b""
        """Bytes that are not a frame yet."""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames completed by `data`.

        Raises:
            FrameTooLong: a frame is longer than the limit, or its length is impossible.
        """
        if self.rest:
            data = self.rest + data
        frames: list[Frame] = []
        start, end = 0, len(data)
        while end - start >= BODY:
            kind, length = _HEADER.unpack_from(data, start)
            if length < 4 or (self._limit is not None and length > self._limit):
                raise FrameTooLong(kind)
            stop = start + length + 1
            if stop > end:
                break
            frames.append((kind, data[start:stop]))
            start = stop
        self.rest = data[start:] if start else data
        return frames

    def take_rest(self) -> bytes:
        """Return the bytes that are not a frame yet, and forget them."""
        rest, self.rest = self.rest, b""
        return rest


class EndFinder:
    """Follows an answer that is passed on as it comes, without taking it apart, until ReadyForQuery.

    Only the headers are read. It counts ParseComplete, because a name stands for a statement only once PostgreSQL
    said so, and notes whether there was an error.
    """

    __slots__ = ("_header", "_skip", "failed", "parsed", "status")

    def __init__(self) -> None:
        self._skip = 0
        self._header = b""
        self.reset()

    def reset(self) -> None:
        """Begin the next answer."""
        self.failed = False
        self.parsed = 0
        self.status = b""

    def feed(self, data: bytes) -> bool:
        """Read on; return whether the answer has ended, with its transaction status in `status`."""
        position = self._skip
        end = len(data)
        if self._header:
            data = self._header + data
            end += len(self._header)
            self._header = b""
        unpack, length_at = _HEADER.unpack_from, _LENGTH.unpack_from
        while end - position >= 6:
            if data[position] == _DATA_ROW:  # nothing else comes in thousands
                position += length_at(data, position + 1)[0] + 1
                continue
            kind, length = unpack(data, position)
            if kind == b"Z":
                self.status = data[position + BODY : position + BODY + 1]
            elif kind == b"E":
                self.failed = True
            elif kind == b"1":
                self.parsed += 1
            position += length + 1
        if position >= end:
            self._skip = position - end
        else:
            # Fewer than six bytes are left. A frame of five (such as ParseComplete) may be whole among them.
            position = self._tail(data, position, end)
        return bool(self.status)

    def _tail(self, data: bytes, position: int, end: int) -> int:
        if end - position == BODY:
            kind, length = _HEADER.unpack_from(data, position)
            if length == 4:
                self.parsed += kind == b"1"
                self._skip = 0
                return end
        self._skip = 0
        self._header = data[position:end]
        return end
