"""Collected in bulk, an answer is the same bytes, but its rows are not taken apart."""

from __future__ import annotations

import pytest

from local_dsql.wire import messages
from local_dsql.wire.collector import Collector
from local_dsql.wire.frames import Frame, FrameReader
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.probe import LONG
from tests.local_dsql.wire.long_answers import COLUMNS, DONE, ENDS, ERROR, ROW, ROWS, End, answer_to_probe

GUARD = messages.command_complete("SAVEPOINT") + messages.READY[messages.IN_TRANSACTION]
FEW = 2 * LONG // len(ROW)
"""Frames that an answer may be taken apart into."""

TOLD = ("complete", "suspended", "an error in a transaction")
"""Ends that are found without a look at the rows."""


def kept(said: bytes) -> list[Frame]:
    """Return the frames that belong to an answer."""
    return [frame for frame in FrameReader().feed(said) if frame[0] != BackendMessage.PARAMETER_STATUS]


def collect(collector: Collector, pieces: list[bytes]) -> None:
    """Feed pieces, and the answer to a probe after them, byte by byte."""
    status = b"".join(pieces)[-1:]
    probe = b""
    for piece in pieces:
        assert collector.feed(piece) in ([], ())
        probe = probe or collector.probe
    if probe:
        for byte in answer_to_probe(probe, status):
            assert not collector.complete
            collector.feed(bytes([byte]))
            assert not collector.probe, "one is enough"
    assert collector.complete


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "frames"])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_answer_is_collected_however_it_is_cut(rows: bytes, end: End, bulk: bool) -> None:
    said = COLUMNS + rows + end.said
    whole = GUARD + said + messages.READY[end.status]
    collector = Collector()
    for cut in (*range(1, 60), *range(max(60, len(whole) - 60), len(whole))):
        collector.begin(2, bulk=bulk)
        collect(collector, [whole[:cut], whole[cut:]])
        answer = collector.responses[1]
        assert b"".join(raw for _, raw in answer.frames) == b"".join(raw for _, raw in kept(said))
        assert (answer.status, answer.error is not None) == (end.status, end.failed)
        assert answer.frames[-1] == kept(end.said)[-1]
        assert b"".join(collector.reported) in end.said
        collector.reported.clear()


@pytest.mark.parametrize("size", [1, 100, 8192, 1_000_000])
@pytest.mark.parametrize("end", TOLD)
def test_no_row_of_many_is_looked_at(end: str, size: int) -> None:
    said = COLUMNS + ROW * 10_000 + ENDS[end].said
    whole = said + messages.READY[ENDS[end].status]
    collector = Collector()
    collector.begin(1, bulk=True)
    collect(collector, [whole[at : at + size] for at in range(0, len(whole), size)])
    (answer,) = collector.responses
    assert len(answer.frames) < FEW
    assert b"".join(raw for _, raw in answer.frames) == said
    assert answer.frames[-1] == FrameReader().feed(ENDS[end].said)[-1]


LOOKS = {
    "a tag": DONE,
    "an error": ERROR,
    "a longer tag": messages.frame(BackendMessage.COMMAND_COMPLETE, bytes(len(DONE) + 2)),
    "nearly all": b"C\0\0\0",
    "suspended": messages.SUSPENDED,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_only_looks_like_an_end_is_none(look: bytes, end: End) -> None:
    """A bytea in binary may hold anything, and so the last row may lie about where it ends."""
    for longer in range(120):
        lie = look[:1] + (len(look) - 1 + longer).to_bytes(4, "big") + look[5:]
        row = messages.frame(BackendMessage.DATA_ROW, b"\0\1" + len(lie).to_bytes(4, "big") + lie)
        said = COLUMNS + ROWS["many"] + row + end.said
        collector = Collector()
        collector.begin(1, bulk=True)
        collect(collector, [said + messages.READY[end.status]])
        (answer,) = collector.responses
        assert answer.frames[-1] == kept(end.said)[-1]
        assert (answer.error is not None) == end.failed
        tags = [raw[5:-1].decode() for kind, raw in kept(end.said) if kind == BackendMessage.COMMAND_COMPLETE]
        assert answer.tags[-1:] == tags[-1:]


def test_unrequested_messages_belong_to_no_answer() -> None:
    notice = messages.parameter_status("TimeZone", "Z")
    collector = Collector()
    assert collector.feed(notice) == [notice]
    collector.begin(1)
    assert collector.feed(DONE + messages.READY[messages.IDLE] + notice) == [notice]
    assert collector.complete
    assert collector.responses[0].tags == ["SELECT 1"]


def test_reported_messages_belong_to_no_answer() -> None:
    reported = messages.parameter_status("TimeZone", "Z")
    collector = Collector()
    collector.begin(1)
    assert collector.feed(DONE + reported + messages.READY[messages.IDLE]) == []
    assert collector.responses[0].frames == [(BackendMessage.COMMAND_COMPLETE, DONE)]
    assert collector.reported == [reported]
