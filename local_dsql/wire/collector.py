"""Collecting whole answers, of which only the first and the last frames are looked at where they are long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.answer import Answer
from local_dsql.wire.frames import BODY, Frame, FrameReader
from local_dsql.wire.probe import ERROR, LONG, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_TAG = 80
"""Bytes of a CommandComplete at most."""


class Collector:
    """Collects the answers to one request after the other.

    In *bulk*, when the last answer has become long, PostgreSQL is sent a probe; whatever comes after that is kept as
    one piece of rows, and the frame at its end. That is for requests that execute one statement.

    What PostgreSQL reports of its parameters belongs to no answer.
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
        "answers",
        "probe",
        "reported",
    )

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._probe: Probe | None = None
        self._pieces: list[bytes] = []
        self.reported: list[bytes] = []
        """Each ParameterStatus that has come with answers; whoever reads them takes them away."""
        self.begin(0)

    def begin(self, wanted: int, *, stop: bytes = b"", bulk: bool = False) -> None:
        """Begin with the answers to a request, of which there will be so many; the ones before have ended.

        A frame of one of the types in `stop` ends an answer, as ReadyForQuery does.
        """
        self.answers: list[Answer] = []
        self.probe = b""
        """What is to be sent to PostgreSQL now."""
        self._wanted = wanted
        self._stop = stop
        self._bulk = bulk
        self._taken = 0
        self._frames: list[Frame] = []

    @property
    def complete(self) -> bool:
        """Whether all answers are here."""
        return len(self.answers) == self._wanted

    @property
    def unfinished(self) -> Answer:
        """The answer that has begun and not ended."""
        return Answer(self._frames, b"")

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Read on; return the frames that belong to no answer."""
        if self._probe is not None:
            self._look(self._probe, data)
            return ()
        if not self._bulk:
            return self._cut(data)
        strays: list[bytes] = []
        for start in range(0, len(data), LONG):
            if self._taken >= LONG and self._is_amid_rows():
                self._probe = Probe()
                self.probe = self._probe.request
                self._pieces = [self._reader.take_rest(), data[start:]]
                break
            piece = data[start : start + LONG]
            strays += self._cut(piece)
            self._taken += len(piece)
        return strays

    def _cut(self, data: bytes) -> list[bytes]:
        strays: list[bytes] = []
        for kind, raw in self._reader.feed(data):
            if len(self.answers) == self._wanted:
                strays.append(raw)
            elif kind == b"Z":
                self._end(raw[BODY:])
            elif kind == b"S":
                self.reported.append(raw)
            else:
                self._frames.append((kind, raw))
                if kind in self._stop:
                    self._end(b"")
        return strays

    def _end(self, status: bytes) -> None:
        self.answers.append(Answer(self._frames, status))
        self._frames = []

    def _is_amid_rows(self) -> bool:
        if len(self.answers) != self._wanted - 1:
            return False
        if self._reader.rest:
            return self._reader.rest.startswith(b"D")
        return bool(self._frames) and self._frames[-1][0] == b"D"

    def _look(self, probe: Probe, data: bytes) -> None:
        self.probe = b""
        self._pieces.append(probe.feed(data))
        if probe.status:
            rest = b"".join(self._pieces).removesuffix(messages.READY[probe.status])
            self._probe, self._pieces = None, []
            frames = _rows_and_end(rest, probe.status)
            self.reported += [raw for kind, raw in frames if kind == b"S"]
            self._frames += [frame for frame in frames if frame[0] != b"S"]
            self._end(probe.status)


def _rows_and_end(data: bytes, status: bytes) -> list[Frame]:
    """Return rows as one frame, and what comes after them; all frame by frame where the end is not to be told."""
    at = _last_frame(data, status)
    if at is None:
        return FrameReader().feed(data)
    return [(b"D", data[:at]), (data[at : at + 1], data[at:])]


def _last_frame(data: bytes, status: bytes) -> int | None:
    """Return where the last frame begins, if it is one that says how a statement has ended.

    None is mistaken for one: a tag has a NUL at its end only, other than what could seem to be one amid the rows, and
    no answer ends with a row.
    """
    if data.endswith(messages.SUSPENDED):
        return len(data) - len(messages.SUSPENDED)
    if status == messages.FAILED:
        at = data.rfind(ERROR) - BODY
        return at if at >= 0 and messages.is_frame(data[at:], b"E") else None
    at = data.rfind(b"C\0\0\0", -_LONGEST_TAG)
    tag = data[at:] if at >= 0 else b""
    return at if messages.is_frame(tag, b"C") and tag.find(b"\0", BODY) == len(tag) - 1 else None
