"""Cutting bytes into frames."""

from __future__ import annotations

import time

import pytest

from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader, FrameTooLong
from local_dsql.wire.message_types import BackendMessage, FrontendMessage

FRAMES = [messages.SYNC, messages.query("SELECT 1"), messages.data_row(["x" * 100, None]), messages.FLUSH]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000])
def test_frames_are_the_same_however_they_are_cut(size: int) -> None:
    data = b"".join(FRAMES)
    reader = FrameReader()
    found = [frame for at in range(0, len(data), size) for frame in reader.feed(data[at : at + size])]
    assert found == [(raw[:1], raw) for raw in FRAMES]
    assert not reader.rest


def test_a_long_frame_is_read_in_linear_time() -> None:
    """10 MiB in pieces of 1 KiB were copied 10,000 times: some 50 GB."""
    row = messages.frame(BackendMessage.DATA_ROW, bytes(10 * 1024 * 1024))
    reader = FrameReader()
    began = time.monotonic()
    found = [frame for at in range(0, len(row), 1024) for frame in reader.feed(row[at : at + 1024])]
    assert time.monotonic() - began < 2
    assert found == [(BackendMessage.DATA_ROW, row)]


def test_limit() -> None:
    reader = FrameReader(limit=100)
    assert reader.feed(messages.frame(FrontendMessage.QUERY, bytes(96)))
    with pytest.raises(FrameTooLong):
        reader.feed(messages.frame(FrontendMessage.QUERY, bytes(97)))


def test_the_rest_can_be_taken() -> None:
    reader = FrameReader()
    data = messages.query("SELECT 1")
    assert reader.feed(messages.SYNC + data[:7]) == [(FrontendMessage.SYNC, messages.SYNC)]
    assert reader.take_rest() == data[:7]
    assert reader.feed(data) == [(FrontendMessage.QUERY, data)]
