"""What waits: the few things that threads and asyncio do differently. `aio.primitives` is its twin.

Everything else is written once, for asyncio, and derived for threads (`runtime/derive.py`).
"""

from __future__ import annotations

import collections
import itertools
import threading
import time
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psycopg.abc import PQGen

R = TypeVar("R")

Cursor: TypeAlias = psycopg.RawCursor[Any]

Lock = threading.Lock

sleep = time.sleep


class Connection(psycopg.Connection[Any]):
    """psycopg's connection, closed under a statement that is interrupted or has no answer at `until`.

    DSQL has no `statement_timeout`, and was seen to run on after a CancelRequest; waiting for the end of a
    cancelled statement, as psycopg does, could take minutes there.
    """

    until: float | None = None
    """The `time.monotonic()` at which the statement under way is given up; None: never."""

    def __del__(self) -> None:  # type: ignore[override]
        """Close without a warning: a database at the top of a module is open until the process ends."""

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Run one of psycopg's generators to its end."""
        if self.until is not None:
            timeout = max(0.0, self.until - time.monotonic())
        try:
            return waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and self.until is not None and time.monotonic() >= self.until:
                self.pgconn.finish()
            raise
        except Exception:
            raise
        except BaseException:  # an interrupt, in the middle of a message
            self.pgconn.finish()
            raise


def ensure_result(result: R) -> R:
    """Return what a callback returned.

    Raises:
        TypeError: it is a coroutine, which nobody would ever run.
    """
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()
        raise TypeError(
            "the callback is a coroutine function; use AsyncDistributedDatabase, or write it with def"
        )
    return result


class Permit:
    """A place inside a turnstile, until `release`.

    Who forgets it leaves: an interrupt may strike between two lines, where nothing can catch it.
    """

    taken = False
    """Set in the line that counts the place, so that no interrupt comes in between."""

    def __init__(self, semaphore: FifoSemaphore) -> None:
        self._semaphore = semaphore

    def release(self) -> None:
        """Make room for the next in line; safe to repeat."""
        self._semaphore.release_permit(self)

    def __del__(self) -> None:
        if self.taken:
            self._semaphore.release_permit(self)


class FifoSemaphore:
    """Lets `size` threads through at a time; the others wait in line, first come, first served."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._lock = threading.RLock()  # a forgotten place may be found while it is held
        self._waiters: collections.deque[threading.Lock] = collections.deque()

    def acquire(self, patience: float) -> Permit | None:
        """Return a place as soon as there is room, None after `patience` seconds without."""
        permit = Permit(self)
        with self._lock:
            if self._free:
                self._free, permit.taken = self._free - 1, True
                return permit
            ticket = threading.Lock()
            ticket.acquire()
            self._waiters.append(ticket)
        try:
            permit.taken = ticket.acquire(timeout=patience) or not self._leave_queue(ticket)
        except BaseException:
            if not permit.taken:
                permit.taken = not self._leave_queue(ticket)
            raise  # and whoever was let in at this moment leaves
        return permit if permit.taken else None

    def release_permit(self, permit: Permit) -> None:
        """Make room for the next in line, if `permit` was taken."""
        with self._lock:
            if not permit.taken:
                return
            if self._waiters:
                self._waiters.popleft().release()
                permit.taken = False
            else:
                self._free, permit.taken = self._free + 1, False

    def _leave_queue(self, ticket: threading.Lock) -> bool:
        """Leave the line; return False where it was this one's turn at the very last moment."""
        with self._lock:
            if ticket in self._waiters:
                self._waiters.remove(ticket)
                return True
        return False


class Source:
    """Rows that are read as they are needed."""

    def __init__(self, rows: Iterable[object]) -> None:
        self._rows = iter(rows)

    def take(self, count: int) -> list[object]:
        """Return the next `count` rows, fewer at the end, none after it."""
        return list(itertools.islice(self._rows, count))


def together(work: Callable[[], None], times: int) -> None:
    """Run `work` in so many threads at once and return when all have ended; raise what the first raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, name=f"blocks-{number}") for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
