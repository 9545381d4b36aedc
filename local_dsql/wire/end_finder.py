"""Finding the end of an answer that is passed on as it comes, without looking at each of its rows.

Frames are followed header by header, but only so far: in the midst of many rows PostgreSQL is sent a probe.
"""

from __future__ import annotations

import struct

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.probe import ERROR, LONG, Probe

_LENGTH = struct.Struct("!I")
_DATA_ROW, _COPY_DATA, _READY_FOR_QUERY, _ERROR_RESPONSE, _PARSE_COMPLETE = b"DdZE1"
_ROWS = (_DATA_ROW, _COPY_DATA)
"""Nothing else comes in thousands."""


class EndFinder:
    """Follows an answer without taking it apart, until ReadyForQuery.

    It counts ParseComplete, because a name stands for a statement only once PostgreSQL said so, and notes whether
    there was an error.
    """

    __slots__ = (
        "_followed",
        "_held",
        "_last",
        "_probe",
        "_request",
        "_skip",
        "failed",
        "parsed",
        "probe",
        "status",
    )

    def __init__(self) -> None:
        self._probe: Probe | None = None
        self._skip = 0
        self._held = b""
        self._last = b""
        self.begin(b"")

    def begin(self, request: bytes) -> None:
        """Begin with the answer to a request, which executes one statement at most; the one before has ended."""
        self.probe = b""
        """What is to be sent to PostgreSQL now."""
        self.status = b""
        """The transaction status, once the end is found."""
        self.failed = False
        self.parsed = 0
        self._request = request
        self._followed = 0

    def feed(self, data: bytes) -> bytes:
        """Read on; return what is to be passed on of it, which is all but the answer to a probe."""
        if self._probe is not None:
            return self._look(self._probe, data)
        given = data
        position, self._skip = self._skip, 0
        end = len(data)
        if self._held:
            data = self._held + data
            end += len(self._held)
            self._held = b""
        length_at = _LENGTH.unpack_from
        far = LONG - self._followed if self._request else end
        while end - position >= 6:
            kind = data[position]
            if kind in _ROWS:
                if position > far:
                    if self._may_probe():
                        self._probe = Probe()
                        self.probe = self._probe.request
                        self._scan(data[position:])
                        return given
                    far = end
            elif kind == _READY_FOR_QUERY:
                self.status = data[position + BODY : position + BODY + 1]
            elif kind == _ERROR_RESPONSE:
                self.failed = True
            elif kind == _PARSE_COMPLETE:
                self.parsed += 1
            position += length_at(data, position + 1)[0] + 1
        if position >= end:
            self._skip = position - end
        else:
            # Fewer than six bytes are left. A frame of five (such as ParseComplete) may be whole among them.
            if end - position == BODY and length_at(data, position + 1)[0] == 4:
                self.parsed += data[position] == _PARSE_COMPLETE
            else:
                self._held = data[position:]
        self._followed += end
        return given

    def _may_probe(self) -> bool:
        """Tell whether nothing to be counted comes after the rows."""
        kinds = b"".join(kind for kind, _ in FrameReader().feed(self._request))
        self._request = b""  # once is enough
        return b"P" not in kinds[kinds.rfind(b"E") :]

    def _scan(self, data: bytes) -> None:
        """Look for an error, which may have begun in the piece before; in a transaction, the status tells."""
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
