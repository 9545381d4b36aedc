"""Collect whole responses; of a long one only the first and the last frames are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.error_context import without_internal_context
from local_dsql.wire.frames import BODY, Frame, FrameReader
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.probe import ERROR, LONG, Probe
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_TAG = 80
"""Largest size of a CommandComplete in bytes."""

_ASYNCHRONOUS = (
    BackendMessage.NOTICE_RESPONSE,
    BackendMessage.PARAMETER_STATUS,
    BackendMessage.ERROR_RESPONSE,
    BackendMessage.NOTIFICATION_RESPONSE,
)


_REPORTS = (BackendMessage.ERROR_RESPONSE, BackendMessage.NOTICE_RESPONSE)


class Collector:
    """Collects the responses to one request after the other.

    In *bulk* mode, when the last response becomes long, PostgreSQL is sent a probe; the bytes after that are kept as
    one piece of rows and the frame at their end. This mode is for requests of one Execute.

    ParameterStatus belongs to no response; it is collected in `reported`.
    """

    __slots__ = (
        "_bulk",
        "_frames",
        "_pieces",
        "_probe",
        "_reader",
        "_stop",
        "_taken",
        "_wanted",
        "probe",
        "reported",
        "responses",
    )

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._probe: Probe | None = None
        self._pieces: list[bytes] = []
        self.reported: list[bytes] = []
        """Each ParameterStatus that came with responses; the reader clears the list."""
        self.begin(0)

    def begin(self, wanted: int, *, stop: bytes = b"", bulk: bool = False) -> None:
        """Begin with the `wanted` responses to a request; the responses before have ended.

        A frame of a type in `stop` ends a response, as ReadyForQuery does.
        """
        self.responses: list[Response] = []
        self.probe = b""
        """Bytes to send to PostgreSQL now."""
        self._wanted = wanted
        self._stop = stop
        self._bulk = bulk
        self._taken = 0
        self._frames: list[Frame] = []

    @property
    def complete(self) -> bool:
        """True if all responses have arrived."""
        return len(self.responses) == self._wanted

    @property
    def unfinished(self) -> Response:
        """The response that has begun and not ended."""
        return Response(self._frames, b"")

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Read on; return the frames that arrived outside of a response (PostgreSQL: asynchronous operations)."""
        if self._probe is not None:
            self._look(self._probe, data)
            return ()
        if not self._bulk:
            return self._cut(data)
        asynchronous: list[bytes] = []
        for start in range(0, len(data), LONG):
            if self._taken >= LONG and self._is_among_rows():
                self._probe = Probe()
                self.probe = self._probe.request
                self._pieces = [self._reader.take_rest(), data[start:]]
                break
            piece = data[start : start + LONG]
            asynchronous += self._cut(piece)
            self._taken += len(piece)
        return asynchronous

    def _cut(self, data: bytes) -> list[bytes]:
        asynchronous: list[bytes] = []
        for kind, raw in self._reader.feed(data):
            if len(self.responses) == self._wanted:
                if kind in _ASYNCHRONOUS:  # others belong to a response that a frame in `stop` has ended
                    asynchronous.append(raw)
            elif kind == BackendMessage.READY_FOR_QUERY:
                self._end(raw[BODY:])
            elif kind == BackendMessage.PARAMETER_STATUS:
                self.reported.append(raw)
            else:
                if kind in _REPORTS:
                    raw = without_internal_context(raw)
                self._frames.append((kind, raw))
                if kind in self._stop:
                    self._end(b"")
        return asynchronous

    def _end(self, status: bytes) -> None:
        self.responses.append(Response(self._frames, status))
        self._frames = []

    def _is_among_rows(self) -> bool:
        if len(self.responses) != self._wanted - 1:
            return False
        if self._reader.rest:
            return self._reader.rest.startswith(BackendMessage.DATA_ROW)
        return bool(self._frames) and self._frames[-1][0] == BackendMessage.DATA_ROW

    def _look(self, probe: Probe, data: bytes) -> None:
        self.probe = b""
        self._pieces.append(probe.feed(data))
        if probe.status:
            rest = b"".join(self._pieces).removesuffix(messages.READY[probe.status])
            self._probe, self._pieces = None, []
            frames = _rows_and_end(rest, probe.status)
            for kind, raw in frames:
                if kind == BackendMessage.PARAMETER_STATUS:
                    self.reported.append(raw)
                else:
                    self._frames.append((kind, raw))
            self._end(probe.status)


def _rows_and_end(data: bytes, status: bytes) -> list[Frame]:
    """Return the rows as one frame and the frame after them; all frame by frame if the end cannot be located."""
    at = last_frame(data, status)
    if at is None:
        return FrameReader().feed(data)
    return [(BackendMessage.DATA_ROW, data[:at]), (data[at : at + 1], data[at:])]


def last_frame(data: bytes, status: bytes) -> int | None:
    """Return the offset of the last frame before ReadyForQuery if it ends a statement, else None.

    No row is mistaken for it: a tag has a NUL at its end only, unlike bytes within a row that look like one, and no
    response ends with a row.
    """
    if data.endswith(messages.SUSPENDED):
        return len(data) - len(messages.SUSPENDED)
    if status == messages.FAILED:
        at = data.rfind(ERROR) - BODY
        return at if at >= 0 and messages.is_frame(data[at:], BackendMessage.ERROR_RESPONSE) else None
    at = data.rfind(BackendMessage.COMMAND_COMPLETE + b"\0\0\0", -_LONGEST_TAG)
    tag = data[at:] if at >= 0 else b""
    return (
        at
        if messages.is_frame(tag, BackendMessage.COMMAND_COMPLETE) and tag.find(b"\0", BODY) == len(tag) - 1
        else None
    )
