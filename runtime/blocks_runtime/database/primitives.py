"""Primitives that differ between threads and asyncio. Keep in sync with `aio/primitives.py`.

Everything else is written once, for asyncio, and derived for threads (`tools/async_to_sync.py`).
"""

from __future__ import annotations

import collections
import itertools
import threading
import time
from typing import Any, TypeVar

import psycopg
from psycopg import waiting

from ..errors import QueryFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psycopg.abc import PQGen

R = TypeVar("R")

Lock = threading.Lock

sleep = time.sleep


class Connection(psycopg.Connection[Any]):
    """psycopg's connection, closed under a statement that is interrupted or has no answer at `until`.

    DSQL has no `statement_timeout`, and was observed to continue after a CancelRequest; waiting for the end of a
    cancelled statement, as psycopg does, could take minutes there.
    """

    until: float | None = None
    """The `time.monotonic()` at which the running statement is abandoned; None: never."""

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
    """Return the result of a callback.

    Raises:
        TypeError: it is a coroutine, which nothing would run.
    """
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()
        raise TypeError(
            "the callback is a coroutine function; use AsyncDistributedDatabase, or write it with def"
        )
    return result


class Permit:
    """One acquired unit of a semaphore, until `release`.

    It is also released on garbage collection: a KeyboardInterrupt can arrive before a `finally` is entered.
    """

    taken = False
    """Set in the statement that counts the permit, so that no interrupt comes in between."""

    def __init__(self, semaphore: FifoSemaphore) -> None:
        self._semaphore = semaphore

    def release(self) -> None:
        """Pass the permit on to the first waiter, or count it as free; safe to repeat."""
        semaphore = self._semaphore
        with semaphore.lock:
            if not self.taken:
                return
            if semaphore.waiters:
                semaphore.waiters.popleft().release()
                self.taken = False
            else:
                semaphore.free, self.taken = semaphore.free + 1, False

    def __del__(self) -> None:
        if self.taken:
            self.release()


class FifoSemaphore:
    """A semaphore of `size` permits for threads; waiters are served in order of arrival."""

    def __init__(self, size: int) -> None:
        self.free = size
        self.lock = threading.RLock()  # a permit may be garbage collected while it is held
        self.waiters: collections.deque[threading.Lock] = collections.deque()

    def acquire(self, patience: float) -> Permit | None:
        """Return a permit as soon as one is free, None after `patience` seconds."""
        permit = Permit(self)
        with self.lock:
            if self.free:
                self.free, permit.taken = self.free - 1, True
                return permit
            ticket = threading.Lock()
            ticket.acquire()
            self.waiters.append(ticket)
        try:
            permit.taken = ticket.acquire(timeout=patience) or not self._leave_queue(ticket)
        except BaseException:
            if not permit.taken:
                permit.taken = not self._leave_queue(ticket)
            raise  # a permit taken at the same time is released on garbage collection
        return permit if permit.taken else None

    def _leave_queue(self, ticket: threading.Lock) -> bool:
        """Stop waiting; return False if the permit was given at the same time."""
        with self.lock:
            if ticket in self.waiters:
                self.waiters.remove(ticket)
                return True
        return False


class Turn:
    """The right to use the connection of a transaction, which one thread has at a time.

    The lock knows its thread: an interrupt between acquiring and `release` does not hide the turn from the end of the
    transaction in the same thread.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._used = False

    def acquire(self, patience: float | None) -> bool:
        """Wait for the turn; return False after `patience` seconds, None for no limit.

        Raises:
            QueryFailed: this thread has the turn, so it would wait for itself.
        """
        timeout = -1 if patience is None else min(max(0.0, patience), threading.TIMEOUT_MAX)
        if not self._lock.acquire(timeout=timeout):
            return False
        if self._used:
            self._lock.release()
            raise QueryFailed(
                "the statement was sent while values or rows of another one of the transaction are converted, "
                "for instance by a row class that queries the transaction",
                advice="collect the rows first, then run the next statement",
            )
        self._used = True
        return True

    def try_acquire(self) -> bool:
        """Acquire the turn if it is free."""
        if not self._lock.acquire(blocking=False):
            return False
        if self._used:
            self._lock.release()
            return False
        self._used = True
        return True

    def seize(self) -> bool:
        """Acquire the turn for the end of the transaction, if it is free or this thread has it."""
        if not self._lock.acquire(blocking=False):
            return False
        self._used = True
        return True

    def release(self) -> None:
        """Pass the turn on."""
        self._used = False
        self._lock.release()

    def release_seized(self) -> None:
        """Pass the turn on after `seize`; safe to repeat. It does nothing if another thread has the turn."""
        if self._lock.acquire(blocking=False):
            self._used = False
            try:
                while True:
                    self._lock.release()
            except RuntimeError:  # this thread does not have the lock any more
                pass


class Source:
    """Rows read on demand."""

    def __init__(self, rows: Iterable[object]) -> None:
        self._rows = iter(rows)

    def take(self, count: int) -> list[object]:
        """Return the next `count` rows, fewer at the end, then none."""
        return list(itertools.islice(self._rows, count))


def together(work: Callable[[], None], times: int) -> None:
    """Run `work` in `times` threads, wait for all, and raise the error of the first that failed."""
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
