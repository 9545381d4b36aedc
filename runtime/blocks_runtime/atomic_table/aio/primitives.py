"""Primitives that differ between asyncio and threads. Keep in sync with `atomic_table/primitives.py`.

None is bound to an event loop, so a table may outlive the loop of an `asyncio.run`.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import TypeVar

    R = TypeVar("R")

sleep = asyncio.sleep

_CHUNK = 256 * 1024


class _Socket(socket.socket):
    """A socket that closes without a warning: a table at the top of a module is open until the process ends."""

    def __del__(self) -> None:
        self.close()


class Stream:
    """A connection over TCP or TLS.

    Every method that waits takes `until`, a `time.monotonic()`, and raises TimeoutError when it passes.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None, until: float) -> Stream:
        """Connect."""
        async with asyncio.timeout(until - time.monotonic()):
            stream = cls(await _connected(host, port))
            try:
                if tls is not None:
                    await stream._secure(tls, host)
            except BaseException:
                stream.close()
                raise
        return stream

    async def send(self, data: bytes, until: float) -> None:
        """Send all bytes."""
        async with asyncio.timeout(until - time.monotonic()):
            if self._tls is None:
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
                return
            self._tls.write(data)
            await self._flush()

    async def receive(self, until: float) -> bytes:
        """Return the next bytes, none at the end of the connection."""
        async with asyncio.timeout(until - time.monotonic()):
            if self._tls is None:
                return await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)
            while True:
                try:
                    return self._tls.read(_CHUNK)
                except ssl.SSLWantReadError:
                    await self._fill()
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""

    @property
    def usable(self) -> bool:
        """True if a connection that was idle can take a request: the server has neither closed it nor sent more."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    async def _secure(self, tls: ssl.SSLContext, host: str) -> None:
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._fill()
            else:
                await self._flush()
                return

    async def _fill(self) -> None:
        """Send what TLS has to send, and read more."""
        await self._flush()
        data = await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await asyncio.get_running_loop().sock_sendall(self._socket, data)


async def _connected(host: str, port: int) -> socket.socket:
    """Return a socket that is connected to one of the addresses of a host.

    Raises:
        OSError: there is none, or the last one did not accept.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connected = _Socket(family, kind, protocol)
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connected, address)
        except OSError as error:
            connected.close()
            failure = error
        except BaseException:
            connected.close()
            raise
        else:
            return connected
    raise failure


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
