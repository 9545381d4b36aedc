"""Primitives that differ between asyncio and threads. Keep in sync with `atomic_table/primitives.py`."""

from __future__ import annotations

import asyncio
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable
    from typing import TypeVar

    R = TypeVar("R")

sleep = asyncio.sleep

_CHUNK = 256 * 1024


class Stream:
    """A connection over TCP or TLS, bound to the event loop that opened it.

    Every method that waits takes `until`, a `time.monotonic()`, and raises TimeoutError when it passes.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None, until: float) -> Stream:
        """Connect."""
        async with asyncio.timeout(until - time.monotonic()):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        return cls(reader, writer)

    async def send(self, data: bytes, until: float) -> None:
        """Send all bytes."""
        self._writer.write(data)
        async with asyncio.timeout(until - time.monotonic()):
            await self._writer.drain()

    async def receive(self, until: float) -> bytes:
        """Return the next bytes, none at the end of the connection."""
        async with asyncio.timeout(until - time.monotonic()):
            return await self._reader.read(_CHUNK)

    @property
    def usable(self) -> bool:
        """True if a connection that was idle can take a request: it is of this event loop, and not closed."""
        if self._loop is not asyncio.get_running_loop():
            return False
        return not (self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        """Close the connection without waiting."""
        if not self._loop.is_closed():
            self._writer.transport.abort()


async def ensure_result(result: Awaitable[R]) -> R:
    """Return the result of a callback's coroutine.

    Raises:
        TypeError: it is not a coroutine, so the callback has awaited nothing.
    """
    if not hasattr(result, "__await__"):
        raise TypeError(
            "the callback is not a coroutine function; write it with async def, or use AtomicTable"
        )
    return await result
