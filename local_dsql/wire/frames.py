"""Cut a stream of bytes into frames."""

from __future__ import annotations

import struct
from typing import TypeAlias

Frame: TypeAlias = tuple[bytes, bytes]
"""The type byte and the whole frame; the body begins at `BODY`."""

BODY = 5
_HEADER = struct.Struct("!cI")


class FrameTooLong(Exception):
    """The length field of a frame is above the limit, or impossible."""


class FrameReader:
    """Collects bytes and returns the frames that are complete.

    Each byte is copied a bounded number of times, however small the pieces are in which a long frame arrives.

    Args:
        limit: largest length field to accept; None: any.
    """

    __slots__ = ("_missing", "limit", "rest")

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.rest = bytearray()
        """Bytes of the frame that is not complete yet."""
        self._missing = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames completed by `data`.

        Raises:
            FrameTooLong: a frame is longer than the limit, or its length is impossible.
        """
        if self.rest:
            self.rest += data
            if len(data) < self._missing:
                self._missing -= len(data)
                return []
            data = self.take_rest()
        frames: list[Frame] = []
        start, end, missing = 0, len(data), 0
        while end - start >= BODY:
            kind, length = _HEADER.unpack_from(data, start)
            if length < 4 or (self.limit is not None and length > self.limit):
                raise FrameTooLong(kind)
            stop = start + length + 1
            if stop > end:
                missing = stop - end
                break
            frames.append((kind, data[start:stop]))
            start = stop
        if start < end:
            self.rest += data[start:] if start else data
        self._missing = missing
        return frames

    def take_rest(self) -> bytes:
        """Return the bytes of the frame that is not complete yet, and forget them."""
        rest, self.rest = bytes(self.rest), bytearray()
        return rest
