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
from ..extended_protocol import ExtendedProtocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from psycopg.abc import PQGen

R = TypeVar("R")

Lock: TypeAlias = asyncio.Lock

sleep = asyncio.sleep


class Cursor(ExtendedProtocol, psycopg.AsyncRawCursor[Any]):
    """psycopg's cursor for statements with `$1`; a text is one statement."""


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
    """One acquired unit of a semaphore, until `release`."""

    __slots__ = ("_semaphore",)

    def __init__(self, semaphore: FifoSemaphore) -> None:
        self._semaphore: FifoSemaphore | None = semaphore

    def release(self) -> None:
        """Return the permit; safe to repeat."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release_permit()


class FifoSemaphore:
    """A semaphore of `size` permits for tasks; waiters are served in order of arrival."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._waiters: collections.deque[asyncio.Future[None]] = collections.deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def acquire(self, patience: float) -> Permit | None:
        """Return a permit as soon as one is free, None after `patience` seconds.

        Raises:
            ConfigurationError: tasks of another running event loop hold permits, and could not wake this one's.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        if self._free:
            self._free -= 1
            return Permit(self)
        ticket = loop.create_future()
        self._waiters.append(ticket)
        try:
            await asyncio.wait((ticket,), timeout=patience)
        except BaseException:
            if not self._leave_queue(ticket):
                self.release_permit()
            raise
        return None if self._leave_queue(ticket) else Permit(self)

    def release_permit(self) -> None:
        """Pass a permit on to the first waiter, or count it as free."""
        if self._waiters:
            self._waiters.popleft().set_result(None)
        else:
            self._free += 1

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._free < self._size and self._loop is not None and self._loop.is_running():
            raise ConfigurationError(
                "the database is in use by another event loop, in another thread",
                advice="make a database of its own for each loop that runs at the same time",
            )
        self._loop = loop

    def _leave_queue(self, ticket: asyncio.Future[None]) -> bool:
        """Stop waiting; return False if the permit was given at the same time."""
        if ticket in self._waiters:
            self._waiters.remove(ticket)
            return True
        return False


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
