"""Received frames of one client that wait to be processed, with back-pressure."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.message_types import CONTINUES_BATCH, COPY, FrontendMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.wire.frames import Frame

_PAUSE_ABOVE = 1024 * 1024
"""Bytes of waiting frames above which the client is not read from, and a batch is processed before its end."""

_FLUSH: Frame = (FrontendMessage.FLUSH, messages.FLUSH)


class MessageQueue:
    """Waiting frames, taken as whole batches, or one by one during COPY FROM STDIN."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self.frames: deque[Frame] = deque()
        """The waiting frames; only methods change them."""
        self._size = 0
        self._ends = 0
        self._paused = False
        self._arrival: asyncio.Future[None] | None = None

    def push(self, frames: Iterable[Frame], *, busy: bool) -> None:
        """Append frames; while a batch is processed (`busy`), pause the client above 1 MiB."""
        for frame in frames:
            self.frames.append(frame)
            self._count(frame, 1)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        if self._size > _PAUSE_ABOVE and busy and self._arrival is None and not self._paused:
            self._paused = True
            self._client.pause_reading()

    def put_back(self, frames: list[Frame]) -> None:
        """Prepend the rest of a batch, from which a COPY continues to read."""
        self.frames.extendleft(reversed(frames))
        for frame in frames:
            self._count(frame, 1)

    def next_batch(self) -> list[Frame]:
        """Return the frames of the next batch; empty if none is complete.

        Of a batch that is too long to be kept, return what has arrived, as if the client had sent a Flush. COPY frames
        before a batch are dropped: they belong to a COPY that failed.
        """
        batch: list[Frame] = []
        if not self._ends and self._size > _PAUSE_ABOVE:
            self.frames.append(_FLUSH)
            self._count(_FLUSH, 1)
        while self._ends:
            frame = self._take()
            if batch or frame[0] not in COPY:
                batch.append(frame)
            if frame[0] not in CONTINUES_BATCH:
                break
        self._resume()
        return batch

    async def next_frame(self) -> Frame:
        """Return the next frame; wait for it if necessary.

        Raises:
            ConnectionLost: the client has disconnected.
        """
        while not self.frames:
            self._arrival = asyncio.get_running_loop().create_future()
            self._resume()
            await self._arrival
            self._arrival = None
        return self._take()

    def close(self) -> None:
        """Drop all frames and end a pending `next_frame`: the client has disconnected."""
        self.frames.clear()
        self._size = self._ends = 0
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_exception(ConnectionLost())

    def _take(self) -> Frame:
        frame = self.frames.popleft()
        self._count(frame, -1)
        return frame

    def _count(self, frame: Frame, by: int) -> None:
        kind, raw = frame
        self._size += by * len(raw)
        self._ends += by * (kind not in CONTINUES_BATCH)

    def _resume(self) -> None:
        if self._paused and self._size <= _PAUSE_ABOVE:
            self._paused = False
            self._client.resume_reading()
