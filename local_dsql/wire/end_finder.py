"""Find the end of a response that is relayed as it arrives, without a look at each of its rows.

Frames are followed header by header up to a limit; when more rows come, PostgreSQL is sent a probe.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage
from local_dsql.wire.probe import ERROR, LONG, Probe

if TYPE_CHECKING:
    from collections.abc import Callable

_LENGTH = struct.Struct("!I")
_HEADER = struct.Struct("!BI").unpack_from
_LENGTH_OF = struct.Struct("!xI").unpack_from
"""Reads the length of the frame at a position, in a tuple."""
# Numbers instead of bytes: indexing bytes yields numbers.
_READY_FOR_QUERY = BackendMessage.READY_FOR_QUERY[0]
_ERROR_RESPONSE = BackendMessage.ERROR_RESPONSE[0]
_PARSE_COMPLETE = BackendMessage.PARSE_COMPLETE[0]
_DATA_ROW = BackendMessage.DATA_ROW[0]
_ROWS = (_DATA_ROW, BackendMessage.COPY_DATA[0])
"""The only messages that come in thousands."""

_RESULT = messages.BIND_COMPLETE + BackendMessage.ROW_DESCRIPTION
"""The beginning of the response to Bind, Describe and Execute of a query, with which drivers run a prepared one."""
_ENDINGS = {
    messages.command_complete(f"SELECT {rows}") + ready: status
    for rows in range(100)
    for status, ready in messages.READY.items()
}
"""The transaction status by what follows the rows of most queries."""


class EndFinder:
    """Follows a response, without taking it apart, until ReadyForQuery.

    It counts ParseComplete, because a name refers to a statement only once PostgreSQL has confirmed it, and notes
    whether there was an error. `replace_error` returns the frame to relay in place of an ErrorResponse.
    """

    __slots__ = (
        "_followed",
        "_fragment",
        "_held",
        "_last",
        "_probe",
        "_replace_error",
        "_request",
        "_skip",
        "failed",
        "is_long",
        "parsed",
        "probe",
        "status",
    )

    def __init__(self, replace_error: Callable[[bytes], bytes] = bytes) -> None:
        self._replace_error = replace_error
        self._fragment = b""
        self._probe: Probe | None = None
        self._skip = 0
        self._held = b""
        self._last = b""
        self.begin(b"")

    def begin(self, request: bytes) -> None:
        """Begin with the response to a request of at most one Execute; the response before has ended."""
        self.probe = b""
        """Bytes to send to PostgreSQL now."""
        self.status = b""
        """The transaction status, once the end is found."""
        self.failed = False
        self.is_long = False
        """True from the probe on: more rows follow."""
        self.parsed = 0
        self._request = request
        self._followed = 0

    def feed(self, data: bytes) -> bytes:
        """Read on; return the bytes to relay: all but the answer to a probe."""
        if self._probe is not None:
            return self._look(self._probe, data)
        if not (self._followed or self._fragment):
            self.status = _status_of_result(data)
            if self.status:
                return data
        return self._follow(data)

    def _follow(self, data: bytes) -> bytes:
        data, self._fragment = self._fragment + data, b""
        given = data
        position, self._skip = self._skip, 0
        end = len(data)
        if self._held:
            data = self._held + data
            end += len(self._held)
            self._held = b""
        far = LONG - self._followed if self._request else end
        while end - position >= 6:
            kind, length = _HEADER(data, position)
            if kind in _ROWS:
                if position > far:
                    if self._may_probe():
                        self._begin_probe(data[position:])
                        return given
                    far = end
            elif kind == _READY_FOR_QUERY:
                self.status = data[position + BODY : position + BODY + 1]
            elif kind == _ERROR_RESPONSE:
                self.failed = True
                given = self._replaced(data[position:], given)
                if self._fragment:
                    self._followed += position
                    return given
            elif kind == _PARSE_COMPLETE:
                self.parsed += 1
            position += length + 1
        self._followed += end
        if position >= end:
            self._skip = position - end
            return given
        return self._without_tail(data[position:], given)

    def _without_tail(self, tail: bytes, given: bytes) -> bytes:
        """Return the bytes to relay, at whose end are fewer than six that may begin a frame."""
        if len(tail) == BODY and _LENGTH.unpack_from(tail, 1)[0] == 4:  # a whole frame, such as ParseComplete
            self.parsed += tail[0] == _PARSE_COMPLETE
        elif tail[0] == _ERROR_RESPONSE:
            self._fragment = tail
            return given[: -len(tail)]
        else:
            self._held = tail
        return given

    def _replaced(self, rest: bytes, given: bytes) -> bytes:
        """Return the bytes to relay, at whose end are `rest`: an ErrorResponse, whole or not, and what follows it."""
        before = given[: len(given) - len(rest)]
        size = _LENGTH.unpack_from(rest, 1)[0] + 1
        if size > len(rest):
            self._fragment = rest
            return before
        return before + self._replace_error(rest[:size]) + rest[size:]

    def _may_probe(self) -> bool:
        """Return whether no ParseComplete can follow the rows."""
        kinds = b"".join(kind for kind, _ in FrameReader().feed(self._request))
        self._request = b""  # once is enough
        return FrontendMessage.PARSE not in kinds[kinds.rfind(FrontendMessage.EXECUTE) :]

    def _begin_probe(self, rest: bytes) -> None:
        self._probe = Probe()
        self.is_long = True
        self.probe = self._probe.request
        self._scan(rest)

    def _scan(self, data: bytes) -> None:
        """Search for an error, which may begin in the piece before; in a transaction, the status decides instead."""
        self.failed = self.failed or ERROR in data or ERROR in self._last + data[: len(ERROR)]
        self._last = (self._last + data[-len(ERROR) :])[-len(ERROR) :]

    def _look(self, probe: Probe, data: bytes) -> bytes:
        self.probe = b""
        data = probe.feed(data)
        self._scan(data)
        if probe.status:
            self.status = probe.status
            if self.status != messages.IDLE:
                self.failed = self.status == messages.FAILED
            self._probe = None
            self._last = b""
        return data


def _status_of_result(data: bytes) -> bytes:
    """Return the transaction status at the end of a response that begins with `_RESULT`.

    It is empty unless the bytes are the whole response, without an error, notice or parameter.
    """
    if not data.startswith(_RESULT) or len(data) > LONG:
        return b""
    position = len(messages.BIND_COMPLETE)
    try:
        position += _LENGTH_OF(data, position)[0] + 1
        while data[position] == _DATA_ROW:
            position += _LENGTH_OF(data, position)[0] + 1
    except (IndexError, struct.error):
        return b""
    return _ENDINGS.get(data[position:], b"")
