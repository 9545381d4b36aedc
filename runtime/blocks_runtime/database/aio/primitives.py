"""What waits: the few things that asyncio and threads do differently. `blocks_runtime.database.primitives` is its twin.

Nothing here belongs to one event loop, so a database may outlive the loop of an `asyncio.run`.
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

Cursor: TypeAlias = psycopg.AsyncRawCursor[Any]

Lock: TypeAlias = asyncio.Lock

sleep = asyncio.sleep


class Connection(psycopg.AsyncConnection[Any]):
    """psycopg's connection, closed under a statement that is cancelled or has no answer at `until`.

    DSQL has no `statement_timeout`, and was seen to run on after a CancelRequest; waiting for the end of a
    cancelled statement, as psycopg does, could take minutes there.
    """

    until: float | None = None
    """The `time.monotonic()` at which the statement under way is given up; None: never."""

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
    """Return what a callback's coroutine returns.

    Raises:
        TypeError: it is no coroutine, so whatever it should have awaited has not been done.
    """
    if not hasattr(result, "__await__"):
        raise TypeError(
            "the callback is not a coroutine function; write it with async def, or use DistributedDatabase"
        )
    return await result


class Permit:
    """A place inside a turnstile, until `release`."""

    __slots__ = ("_semaphore",)

    def __init__(self, semaphore: FifoSemaphore) -> None:
        self._semaphore: FifoSemaphore | None = semaphore

    def release(self) -> None:
        """Make room for the next in line; safe to repeat."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release_permit()


class FifoSemaphore:
    """Lets `size` tasks through at a time; the others wait in line, first come, first served."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._waiters: collections.deque[asyncio.Future[None]] = collections.deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def acquire(self, patience: float) -> Permit | None:
        """Return a place as soon as there is room, None after `patience` seconds without.

        Raises:
            ConfigurationError: another event loop runs whose tasks are inside, which could not wake this one's.
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
        """Make room for the next in line, for somebody who leaves."""
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
        """Leave the line; return False where it was this one's turn."""
        if ticket in self._waiters:
            self._waiters.remove(ticket)
            return True
        return False


class Source:
    """Rows that are read as they are needed, from a plain iterable or an asynchronous one."""

    def __init__(self, rows: Iterable[object] | AsyncIterable[object]) -> None:
        self._plain: Iterator[object] | None = None
        self._waiting: AsyncIterator[object] | None = None
        if isinstance(rows, AsyncIterable):
            self._waiting = aiter(rows)
        else:
            self._plain = iter(rows)

    async def take(self, count: int) -> list[object]:
        """Return the next `count` rows, fewer at the end, none after it."""
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
    """Run `work` in so many tasks at once and return when all have ended; raise what the first raised."""
    done = await asyncio.gather(*(work() for _ in range(times)), return_exceptions=True)
    for error in done:
        if error is not None:
            raise error
