"""Leases: one process at a time does a job, without a thread that keeps it alive."""

from __future__ import annotations

import os
import time

from ...errors import DatabaseError, LeaseHeld, LeaseLost, RaceCondition
from ..arguments import text
from ..durations import seconds as checked_seconds
from ..items import check_table
from ..leases import POLL, Term, held_until, lease_key, lease_put
from ..writes import Check
from .primitives import sleep

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from typing import NoReturn

    from ..items import Record
    from ..writes import Put
    from .store import AsyncStore


class AsyncLease:
    """A lease on a name, acquired at the beginning of a `with` block and released at its end.

    It does not renew itself: call `renew` between the steps of long work. A write that is conditional on
    the lease (`tx.require(lease)`, or `set_atomic(items, [lease])`) fails once another process has taken it over.
    """

    def __init__(self, store: AsyncStore, name: str, seconds: float, wait: float, owner: str | None) -> None:
        self.name = name
        self.seconds = checked_seconds("seconds", seconds)
        self._key = lease_key(name)
        self._store = store
        self._wait = wait and checked_seconds("wait", wait)
        if owner is not None:
            text("owner", owner, "text that names this process")
        self._owner = owner or f"{os.environ.get('AWS_LAMBDA_LOG_STREAM_NAME', '')}#{os.getpid()}"
        self._term: Term | None = None
        self._token = 0
        self._unsettled: tuple[Record, Term] | None = None
        """Record and term of a write of this lease that is not answered yet, or whose answer was lost."""

    @property
    def token(self) -> int:
        """Fencing token: a number that grows with each acquisition and renewal, by any process.

        Raises:
            LeaseLost: the lease is not held, or has expired.
        """
        self.check()
        return self._token

    @property
    def remaining(self) -> float:
        """Seconds that are left of the lease; 0 if it is not held."""
        return 0.0 if self._term is None else self._term.remaining

    def check(self) -> None:
        """Do nothing while the lease is held.

        Raises:
            LeaseLost: it is not held, or has expired.
        """
        if self.remaining <= 0:
            raise LeaseLost(f"the lease {self.name!r} is not held, or has expired")

    def refused(self, race: RaceCondition, condition: Check) -> None:
        """Note that a write with a condition of this lease was refused.

        If the lease was renewed meanwhile, its condition was out of date, and the write may be repeated.

        Raises:
            LeaseLost: it was refused because another process has the lease.
        """
        renewed = self._token != condition.expects or self._unsettled is not None
        if self._key not in race.keys or renewed:
            return
        self._term = None
        error = self._taken_over()
        error.keys = race.keys
        raise error from race

    async def condition(self, table: str) -> Check:
        """Return the condition that this lease is held, for an atomic write of a table.

        If the answer to a renewal was lost, it is found out before whether it was made.

        Raises:
            LeaseLost: the lease is not held, or has expired.
            ValueError: it is of another table.
        """
        check_table(self._store.table, table, "lease")
        await self._settle()
        return Check(self._key, self.token)

    async def acquire(self) -> None:
        """Acquire the lease; wait for another holder as long as `wait` allows.

        Raises:
            LeaseHeld: another process has it.
        """
        patience = time.monotonic() + self._wait
        while True:
            held = await self._try()
            if held is None:
                return
            left = patience - time.monotonic()
            if left <= 0:
                error = self._held()
                error.until = held
                raise error
            await sleep(max(0.01, min(POLL, left, held - time.time())))

    async def renew(self, seconds: float | None = None) -> None:
        """Make the lease last `seconds` from now, by default as long as at first. The token grows.

        Raises:
            LeaseLost: it has expired, or another process has taken it over.
        """
        await self._settle()
        self.check()
        term = Term(self.seconds if seconds is None else checked_seconds("seconds", seconds))
        put = lease_put(self._key, None, self._token, term.until, self._owner)
        try:
            await self._write(put, term)
        except RaceCondition as race:
            self._term = None
            raise self._taken_over() from race
        self._token, self._term = put.record.version, term

    async def release(self) -> None:
        """Give the lease back, so that another process need not wait for its end; safe to repeat."""
        await self._settle()
        term, self._term = self._term, None
        if term is None:
            return
        try:
            await self._store.write([lease_put(self._key, None, self._token, 0, "")], None)
        except RaceCondition:  # it has expired, and another process has it
            return

    async def _try(self) -> float | None:
        """Try to acquire the lease; return None, or the time at which that of another holder ends."""
        (record,) = await self._store.read([self._key], None)
        if self._adopt(record):
            return None
        until = held_until(record)
        if until > time.time():
            return until
        term = Term(self.seconds)
        put = lease_put(self._key, record, 0, term.until, self._owner)
        try:
            await self._write(put, term)
        except RaceCondition:  # another process was faster; its end is not known yet
            return time.time() + POLL
        self._token, self._term = put.record.version, term
        return None

    def _held(self) -> LeaseHeld:
        if self.remaining > 0:
            return LeaseHeld(
                f"this object has acquired the lease {self.name!r} before",
                advice="call renew() to make it last longer, or lease() again for an object of its own",
            )
        return LeaseHeld(f"the lease {self.name!r} is held by another process")

    def _taken_over(self) -> LeaseLost:
        return LeaseLost(f"the lease {self.name!r} was taken over by another process")

    async def _write(self, put: Put, term: Term) -> None:
        """Write the lease, and keep in mind what is written until it is answered."""
        self._unsettled = put.record, term
        try:
            await self._store.write([put], None)
        except BaseException as error:  # also that the task is cancelled
            refused = isinstance(error, DatabaseError) and not error.commit_unknown
            self._unsettled = None if refused else (put.record, term)
            raise
        self._unsettled = None

    async def _settle(self) -> None:
        """Find out whether a write whose answer was lost was made."""
        if self._unsettled is not None:
            (record,) = await self._store.read([self._key], None)
            self._adopt(record)

    def _adopt(self, record: Record | None) -> bool:
        """Return whether the stored lease is the one whose answer was lost; then it is held, by that write."""
        unsettled, self._unsettled = self._unsettled, None
        if unsettled is None or record is None or record.data != unsettled[0].data:
            return False
        self._token, self._term = record.version, unsettled[1]
        return True

    async def __aenter__(self) -> AsyncLease:
        await self.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.release()
        except DatabaseError as failed:
            # The block is over: its result or its own error counts, and the lease ends by itself.
            from logging import getLogger

            text = "the lease %r was not given back, and ends by itself within %g s: %s"
            getLogger("blocks_runtime").warning(text, self.name, self.seconds, failed)

    def __reduce__(self) -> NoReturn:
        from ...shared.pickling import refuse

        refuse(self)

    def __repr__(self) -> str:
        return f"AsyncLease({self.name!r}, remaining={self.remaining:.1f})"
