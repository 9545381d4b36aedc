"""Loading any number of rows: chunks in transactions of their own, several at a time."""

from __future__ import annotations

import threading
import time

from ..errors import (
    CommitOutcomeUnknown,
    ConnectionFailed,
    DatabaseError,
    TransactionRowLimitExceeded,
    TransactionSizeLimitExceeded,
)
from ..loading import Chunk, Loaded, Meter, Plan, chunks
from ..retry import RetryPolicy
from .primitives import sleep, together

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .engine import AsyncEngine
    from .primitives import Cursor


class AsyncLoad:
    """One call of `load`."""

    def __init__(
        self, engine: AsyncEngine, plan: Plan, max_retries: int, progress: Callable[[Loaded], None] | None
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._policy = RetryPolicy(max_retries)
        self._progress = progress
        self._meter = Meter()
        self._source: Iterator[Chunk] = iter(())
        self._stopped = False
        self._turn = threading.Lock()

    async def run(self, rows: Iterable[object], parallel: int) -> Loaded:
        """Insert all rows and return how many there were."""
        if parallel < 1:
            raise ValueError(f"parallel is {parallel}; give at least 1")
        self._source = chunks(self._plan, rows)
        try:
            await together(self._work, parallel)
        except Exception as error:
            error.add_note(f"loaded before that: {self._meter.loaded}; {self._way_on()}")
            raise
        finally:
            self._stopped = True
        return self._meter.loaded

    async def _work(self) -> None:
        try:
            while (chunk := self._next()) is not None:
                await self._insert(chunk)
        except BaseException:
            self._stopped = True
            raise

    def _next(self) -> Chunk | None:
        with self._turn:
            return None if self._stopped else next(self._source, None)

    async def _insert(self, chunk: Chunk) -> None:
        """Insert a chunk, or its halves where DSQL counts more bytes or rows than we did."""
        try:
            inserted = await self._patiently(chunk)
        except (TransactionSizeLimitExceeded, TransactionRowLimitExceeded):
            if len(chunk.rows) == 1:
                raise
            for half in chunk.halves():
                await self._insert(half)
            return
        with self._turn:
            loaded = self._meter.add(chunk, inserted)
            if self._progress is not None:
                self._progress(loaded)

    async def _patiently(self, chunk: Chunk) -> int:
        attempt = 1
        while True:
            try:
                return await self._engine.run(chunk.statement(), _count, None, None, self._policy.max_retries)
            except DatabaseError as error:
                wait = self._wait(error, attempt)
                if wait is None:
                    raise
            await sleep(wait)
            attempt += 1

    def _wait(self, error: DatabaseError, attempt: int) -> float | None:
        """Return how long to wait; with a key, inserting twice is inserting once, so a lost answer is no harm."""
        if not self._plan.key or not isinstance(error, (CommitOutcomeUnknown, ConnectionFailed)):
            return None
        lost = ConnectionFailed(error.args[0])
        return self._policy.wait(lost, attempt, time.monotonic())

    def _way_on(self) -> str:
        if self._plan.key:
            return "run it again, rows that are there are left alone"
        return "a load without key= cannot be run again as it is; find out which rows are there"


async def _count(cursor: Cursor) -> int:
    return max(cursor.rowcount, 0)
