"""Finding the end of an answer that is passed on as it comes, without looking at each of its rows.

Frames are followed header by header, but only so far. In the midst of many rows PostgreSQL is sent a *probe*, to be
answered after what it is saying now: it prepares an empty statement whose parameters have random numbers for types,
and asks to have these types described. PostgreSQL takes them as they are, in a failed transaction too, and nothing is
left of it. From then on only the last bytes of what arrives are looked at: an end is where the random numbers are.
"""

from __future__ import annotations

import os
import struct

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader

_LENGTH = struct.Struct("!I")
_DATA_ROW, _COPY_DATA, _READY_FOR_QUERY, _ERROR_RESPONSE, _PARSE_COMPLETE = b"DdZE1"
_ROWS = (_DATA_ROW, _COPY_DATA)
"""Nothing else comes in thousands."""

LONG = 16 * 1024
"""Bytes of an answer that are followed frame by frame; a probe costs as much as some hundred rows."""

_RANDOM = 16
"""Bytes, four parameters."""

_READY = messages.READY[messages.IDLE][:-1]
_ERROR = b"SERROR\0VERROR\0C"
"""How an ErrorResponse begins. No text holds it; in a transaction, the status tells."""


class EndFinder:
    """Follows an answer without taking it apart, until ReadyForQuery.

    It counts ParseComplete, because a name stands for a statement only once PostgreSQL said so, and notes whether
    there was an error.
    """

    __slots__ = (
        "_followed",
        "_held",
        "_last",
        "_mark",
        "_request",
        "_skip",
        "failed",
        "parsed",
        "probe",
        "status",
    )

    def __init__(self) -> None:
        self.probe = b""
        """What is to be sent to PostgreSQL now."""
        self._skip = 0
        self._held = b""
        self._last = b""
        self._mark = b""
        self.begin(b"")

    def begin(self, request: bytes) -> None:
        """Begin with the answer to a request, which executes one statement at most; the one before has ended."""
        self.status = b""
        """The transaction status, once the end is found."""
        self.failed = False
        self.parsed = 0
        self._request = request
        self._followed = 0

    def feed(self, data: bytes) -> bytes:
        """Read on; return what is to be passed on of it, which is all but the answer to a probe."""
        if self._mark:
            return self._look(data)
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
                        self._mark, self.probe = _mark_and_probe()
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
        """Look for an error, which may have begun in the piece before."""
        self.failed = self.failed or _ERROR in data or _ERROR in self._last + data[: len(_ERROR)]
        self._last = (self._last + data[-len(_ERROR) :])[-len(_ERROR) :]

    def _look(self, data: bytes) -> bytes:
        self.probe = b""
        self._scan(data)
        data = self._held + data
        if data.endswith(self._mark, 0, len(data) - 1):
            self.status = data[-1:]
            if self.status != messages.IDLE:
                self.failed = self.status == messages.FAILED
            data = data[: -len(self._mark) - 1]
            self._held = self._last = self._mark = b""
            return data
        at = data.find(self._mark[:1], max(0, len(data) - len(self._mark)))
        while at >= 0 and not self._mark.startswith(data[at:]):
            at = data.find(self._mark[:1], at + 1)
        at = len(data) if at < 0 else at
        self._held = data[at:]
        return data[:at]


def _mark_and_probe() -> tuple[bytes, bytes]:
    """Return what is answered, up to the status at its end, and the request."""
    random = os.urandom(_RANDOM)
    types = struct.pack("!H", _RANDOM // 4) + random
    name = messages.cstring(f"local_dsql_{random.hex()}")
    probe = (
        messages.frame(b"P", name + b"\0" + types)
        + messages.frame(b"D", b"S" + name)
        + messages.frame(b"C", b"S" + name)
        + messages.SYNC
    )
    described = messages.frame(b"t", types) + messages.NO_DATA
    return messages.PARSE_COMPLETE + described + messages.CLOSE_COMPLETE + _READY, probe
