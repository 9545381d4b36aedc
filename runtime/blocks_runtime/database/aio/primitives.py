"""Primitives that differ between asyncio and threads. Keep in sync with `database/primitives.py`.

None is bound to an event loop, so a database may outlive the loop of an `asyncio.run`.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from collections.abc import AsyncIterable
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import waiting

from ...errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from psycopg.abc import PQGen

R = TypeVar("R")

Lock: TypeAlias = asyncio.Lock

sleep = asyncio.sleep


class Connection(psycopg.AsyncConnection[Any]):
    """psycopg's connection, closed under a statement that is cancelled or has no answer at `until`.

    DSQL has no `statement_timeout`, and was observed to continue after a CancelRequest; waiting for the end of a
    cancelled statement, as psycopg does, could take minutes there.
    """

    until: float | None = None
    """The `time.monotonic()` at which the running statement is abandoned; None: never."""

    def __del__(self) -> None:  # type: ignore[override]
        """Close without a warning: a database at the top of a module is open until the process ends."""

    async def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Run one of psycopg's generators to its end."""
        if self.until is not None:
            timeout = max(0.0, self.until - time.monotonic())
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and self.until is not None and time.monotonic() >= self.until:
                self.pgconn.finish()
            raise
        except Exception:
            raise
        except BaseException:  # a cancelled task, in the middle of a message
            self.pgconn.finish()
            raise


async def ensure_result(result: Awaitable[R]) -> R:
    """Return the result of a callback's coroutine.

    Raises:
        TypeError: it is not a coroutine, so the callback has awaited nothing.
    """
    if not hasattr(result, "__await__"):
        raise TypeError(
            "the callback is not a coroutine function; write it with async def, or use DistributedDatabase"
        )
    return await result


class Permit:
    """One acquired unit of a semaphore, until `release`.

    It counts for the event loop whose task acquired it: when that loop is closed, the semaphore takes it back.
    """

    __slots__ = ("_loop", "_semaphore")

    def __init__(self, semaphore: FifoSemaphore, loop: asyncio.AbstractEventLoop | None) -> None:
        self._semaphore: FifoSemaphore | None = semaphore
        self._loop = loop

    def release(self) -> None:
        """Return the permit; safe to repeat."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release_permit(self._loop)


class FifoSemaphore:
    """A semaphore of `size` permits for tasks; waiters are served in order of arrival."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._waiters: collections.deque[asyncio.Future[None]] = collections.deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._elsewhere: dict[asyncio.AbstractEventLoop, int] = {}
        """Permits that tasks of earlier event loops still hold."""

    async def acquire(self, patience: float | None) -> Permit | None:
        """Return a permit as soon as one is free, None after `patience` seconds.

        Raises:
            ConfigurationError: tasks of another running event loop hold permits, and could not wake this one's.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        if (permit := self.try_acquire()) is not None:
            return permit
        ticket = loop.create_future()
        self._waiters.append(ticket)
        try:
            await asyncio.wait((ticket,), timeout=patience)
        except BaseException:
            if not self._leave_queue(ticket):
                self.release_permit(loop)
            raise
        return None if self._leave_queue(ticket) else Permit(self, loop)

    def try_acquire(self) -> Permit | None:
        """Return a permit if one is free."""
        if not self._free:
            return None
        self._free -= 1
        return Permit(self, self._loop)

    def release_permit(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Pass a permit that was acquired in `loop` on to the first waiter, or count it as free."""
        if loop is not self._loop and loop is not None:
            if loop not in self._elsewhere:
                return  # taken back when its loop was closed
            self._elsewhere[loop] -= 1
        while self._waiters:
            ticket = self._waiters.popleft()
            waiting = ticket.get_loop()
            if waiting.is_closed():  # the task that waits will never run
                continue
            if waiting is not self._loop:
                self._elsewhere[waiting] = self._elsewhere.get(waiting, 0) + 1
            ticket.set_result(None)
            return
        self._free += 1

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._free < self._size and self._loop is not None and self._loop.is_running():
            raise ConfigurationError(
                "the database is in use by another event loop, in another thread",
                advice="make a database of its own for each loop that runs at the same time",
            )
        if self._loop is not None:
            self._elsewhere[self._loop] = self._size - self._free - sum(self._elsewhere.values())
        self._elsewhere.pop(loop, None)
        self._loop = loop
        for other in [each for each in self._elsewhere if each.is_closed()]:
            self._free += self._elsewhere.pop(other)  # its tasks will never return them

    def _leave_queue(self, ticket: asyncio.Future[None]) -> bool:
        """Stop waiting; return False if the permit was given at the same time."""
        if ticket in self._waiters:
            self._waiters.remove(ticket)
            return True
        return False


class Turn:
    """The right to use the connection of a transaction, which one task has at a time."""

    def __init__(self) -> None:
        self._semaphore = FifoSemaphore(1)
        self._permit: Permit | None = None
        self._seized = False

    async def acquire(self, patience: float | None) -> bool:
        """Wait for the turn; return False after `patience` seconds, None for no limit."""
        permit = await self._semaphore.acquire(patience)
        self._permit = permit or self._permit
        return permit is not None

    def try_acquire(self) -> bool:
        """Acquire the turn if it is free."""
        permit = self._semaphore.try_acquire()
        self._permit = permit or self._permit
        return permit is not None

    def seize(self) -> bool:
        """Acquire the turn for the end of the transaction, if it is free or was seized before."""
        self._seized = self._seized or self.try_acquire()
        return self._seized

    def release(self) -> None:
        """Pass the turn on."""
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.release()

    def release_seized(self) -> None:
        """Pass the turn on after `seize`; safe to repeat. It does nothing if `seize` was not successful."""
        if self._seized:
            self._seized = False
            self.release()


class Source:
    """Rows read on demand, from an iterable or an asynchronous iterable."""

    def __init__(self, rows: Iterable[object] | AsyncIterable[object]) -> None:
        self._plain: Iterator[object] | None = None
        self._waiting: AsyncIterator[object] | None = None
        if isinstance(rows, AsyncIterable):
            self._waiting = aiter(rows)
        else:
            self._plain = iter(rows)

    async def take(self, count: int) -> list[object]:
        """Return the next `count` rows, fewer at the end, then none."""
        if self._plain is not None:
            return list(itertools.islice(self._plain, count))
        taken: list[object] = []
        if self._waiting is not None:
            while len(taken) < count:
                try:
                    taken.append(await anext(self._waiting))
                except StopAsyncIteration:
                    break
        return taken


async def together(work: Callable[[], Awaitable[None]], times: int) -> None:
    """Run `work` in `times` concurrent tasks, wait for all, and raise the error of the first that failed."""
    done = await asyncio.gather(*(work() for _ in range(times)), return_exceptions=True)
    for error in done:
        if error is not None:
            raise error
