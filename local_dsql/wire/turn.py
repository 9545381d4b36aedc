"""Whose turn it is: a lock that can also be taken without waiting."""

from __future__ import annotations

import asyncio
from collections import deque


class Turn:
    """Mutual exclusion in order of arrival.

    Unlike asyncio.Lock it can be taken by code that is no coroutine (`try_take`), which is what lets a plain read
    pass through the front within one callback.
    """

    __slots__ = ("_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> bool:
        """Whether somebody has it."""
        return self._taken

    def try_take(self) -> bool:
        """Take it if nobody has it; return whether that worked."""
        if self._taken:
            return False
        self._taken = True
        return True

    async def take(self, *, first: bool = False) -> None:
        """Take it, after everybody who asked before, or before everybody else who waits."""
        if self.try_take():
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
        """Give it to the next in line, or back."""
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.done():
                ticket.set_result(None)
                return
        self._taken = False

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self.release()
