"""Finding the end of an answer that is passed on as it comes.

Frames are followed header by header, up to the rows of a long result as text. Of these only the last bytes of each
piece that arrives are looked at, whatever the number of rows, because they tell an end from anything else:

- An answer ends with `Z`, the length 5 and a status; PostgreSQL says no more until it is asked. Before that comes a
  message that ends with NUL, or one without a body, which is a letter and the length 4.
- A value as text holds no NUL. Within rows, therefore, some of those bytes would have to be lengths. None fits: a value
  `Z` comes after its length, 1, and not after a NUL; in a value of four bytes `Z` is not followed by a NUL; a length
  that holds a `Z` announces more than what would follow it. What does fit is the number of columns in rows of 90, and
  there the beginning of the row is seen in front of it.
- For the same reasons no row holds the severity with which an ErrorResponse begins.

Values in binary hold what they like, so rows of these are followed one by one.
"""

from __future__ import annotations

import re
import struct

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader

_HEADER = struct.Struct("!cI")
_LENGTH = struct.Struct("!I")
_DATA_ROW = b"D"[0]

_LONG = 4096
"""Bytes of a piece from its first row on, from which the rows are worth not being followed."""

_END = re.compile(rb"(?:(?<!D[\x00-\x1f]...)\x00|\x00\x00\x00\x04)Z\x00\x00\x00\x05([ITE])\Z", re.DOTALL)
_ERROR = b"SERROR\0VERROR\0C"
_KEPT = 14
"""Bytes that the longest of both looks at."""


class EndFinder:
    """Follows an answer without taking it apart, until ReadyForQuery.

    It counts ParseComplete, because a name stands for a statement only once PostgreSQL said so, and notes whether
    there was an error.
    """

    __slots__ = ("_header", "_last", "_request", "_skip", "failed", "parsed", "status")

    def __init__(self) -> None:
        self._skip = 0
        self._header = b""
        self.begin(b"")

    def begin(self, request: bytes) -> None:
        """Begin with the answer to a request, which executes one statement at most."""
        self._request = request
        self._last = b""
        self.failed = False
        self.parsed = 0
        self.status = b""

    def feed(self, data: bytes) -> bool:
        """Read on; return whether the answer has ended, with its transaction status in `status`."""
        if self._last:
            return self._leap(data)
        position = self._skip
        end = len(data)
        if self._header:
            data = self._header + data
            end += len(self._header)
            self._header = b""
        unpack, length_at = _HEADER.unpack_from, _LENGTH.unpack_from
        while end - position >= 6:
            if data[position] == _DATA_ROW:
                if self._request and end - position >= _LONG and self._may_leap():
                    self._skip = 0
                    return self._leap(data[position:])
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

    def _may_leap(self) -> bool:
        """Tell whether the rows are text, and nothing to be counted comes after them."""
        frames = FrameReader().feed(self._request)
        self._request = b""  # once is enough
        kinds = b"".join(kind for kind, _ in frames)
        if kinds == b"Q":
            return True
        bind = kinds.rfind(b"B")
        if bind < 0 or b"P" in kinds[bind:]:
            return False
        return not any(messages.result_formats(frames[bind][1]))

    def _leap(self, data: bytes) -> bool:
        if not self.failed:
            self.failed = _ERROR in data or _ERROR in self._last + data[:_KEPT]
        self._last = (self._last + data[-_KEPT:])[-_KEPT:]
        end = _END.search(self._last)
        if end is None:
            return False
        self.status, self._last = end[1], b""
        return True
