"""Cutting a stream of bytes into frames."""

from __future__ import annotations

import struct
from typing import TypeAlias

Frame: TypeAlias = tuple[bytes, bytes]
"""The type byte and the whole frame; the body begins at `BODY`."""

BODY = 5
_HEADER = struct.Struct("!cI")


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
