"""FIFO lock with non-blocking acquire."""

from __future__ import annotations

import asyncio
from collections import deque


class FifoLock:
    """Mutual exclusion in order of arrival.

    Unlike asyncio.Lock it can be acquired outside of a coroutine (`try_acquire`), so that the proxy relays a plain
    read within one callback of the event loop.
    """

    __slots__ = ("_locked", "_waiting", "releases")

    def __init__(self) -> None:
        self._locked = False
        self.releases = 0
        """Number of releases so far."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def locked(self) -> bool:
        """True if the lock is held."""
        return self._locked

    def try_acquire(self) -> bool:
        """Acquire the lock if it is free; return whether it was."""
        if self._locked:
            return False
        self._locked = True
        return True

    async def acquire(self, *, first: bool = False) -> None:
        """Acquire the lock after all earlier waiters, or before all of them if `first`."""
        if self.try_acquire():
            return
        ticket = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.appendleft(ticket)
        else:
            self._waiting.append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Pass the lock to the next waiter, or free it."""
        self.releases += 1
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.done():
                ticket.set_result(None)
                return
        self._locked = False

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()
