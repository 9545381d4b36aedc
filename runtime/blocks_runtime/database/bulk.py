# Auto-generated from aio/bulk.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Bulk load: any number of rows in chunks, each its own transaction, several at a time."""

from __future__ import annotations

import time

from ..errors import (
    CommitOutcomeUnknown,
    ConnectionFailed,
    DatabaseError,
    FeatureNotSupported,
    TransactionRowLimitExceeded,
    TransactionSizeLimitExceeded,
)
from ..shared.deadline import remaining
from ..shared.retry import RetryPolicy
from .fragments import Sql
from .loading import PORTION, Cutter, Loaded, Meter, write
from .open_transactions import innermost, warn_of_statement
from .primitives import Lock, Source, sleep, together
from .row_formats import CopyFormat, InsertFormat

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .cursor import Cursor
    from .engine import Engine
    from .loading import Chunk, Plan
    from .table_shapes import TableShape

    Shape = Callable[[Sql, tuple[str, ...], float | None], TableShape]


class Load:
    """One call of `load`.

    Args:
        engine: runs the statements.
        plan: table, columns and key.
        shape: returns the columns of a table, within seconds from now.
        max_retries: further attempts for a chunk after a conflict.
        progress: called after each chunk.
        until: the `time.monotonic()` at which the load must have ended.
    """

    _cutter: Cutter
    _inserting: InsertFormat

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        shape: Shape,
        max_retries: int,
        progress: Callable[[Loaded], None] | None,
        until: float | None = None,
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._shape = shape
        self._until = until
        self._policy = RetryPolicy(max_retries, until)
        self._progress = progress
        self._meter = Meter()
        self._chunks: list[Chunk] = []
        self._stopped = False
        self._unknown = False
        self._turn = Lock()

    def run(self, rows: Iterable[object], parallel: int) -> Loaded:
        """Insert all rows and return the totals."""
        if parallel < 1:
            raise ValueError(f"parallel is {parallel}; give at least 1")
        if innermost.get() is not None:
            warn_of_statement(self._engine.name)
        self._source = Source(rows)
        try:
            if first := self._source.take(PORTION):
                self._begin(first)
                together(self._work, min(parallel, self._engine.pool.size))
        except Exception as error:
            error.add_note(f"loaded before that: {self._meter.loaded}; {self._way_on()}")
            raise
        finally:
            self._stopped = True
        return self._meter.loaded

    def _begin(self, first: list[object]) -> None:
        plan, columns = self._plan, self._plan.columns_for(first[0])
        shape = self._shape(plan.table, columns, remaining(self._until))
        self._inserting = InsertFormat(plan.table, columns, plan.key, shape.json_among(columns))
        by_copy = shape.copyable(columns) and not plan.key
        self._cutter = Cutter(columns, CopyFormat(plan.table, columns) if by_copy else self._inserting)
        self._chunks += self._cutter.add(first)

    def _work(self) -> None:
        try:
            while (chunk := self._next()) is not None:
                self._insert(chunk)
        except BaseException:
            self._stopped = True
            raise

    def _next(self) -> Chunk | None:
        with self._turn:
            while not self._stopped and not self._chunks:
                rows = self._source.take(PORTION)
                self._chunks += self._cutter.add(rows) if rows else self._cutter.rest()
                if not rows and not self._chunks:
                    return None
            return None if self._stopped else self._chunks.pop(0)

    def _insert(self, chunk: Chunk) -> None:
        """Insert a chunk, or its halves if DSQL counts more bytes or rows than this module does."""
        try:
            inserted = self._patiently(chunk)
        except (TransactionSizeLimitExceeded, TransactionRowLimitExceeded):
            if len(chunk.rows) == 1:
                raise
            for half in chunk.halves():
                self._insert(half)
            return
        except DatabaseError as error:
            if not _refuses_copy(chunk, error):
                raise
            self._insert(write(self._without_copy(), chunk.rows))
            return
        with self._turn:
            loaded = self._meter.add(chunk, inserted)
            if self._progress is not None:
                self._progress(loaded)

    def _patiently(self, chunk: Chunk) -> int:
        attempt = 1
        while True:
            try:
                return self._send(chunk)
            except DatabaseError as error:
                self._unknown |= error.commit_unknown
                wait = self._wait(error, attempt)
                if wait is None:
                    raise
            sleep(wait)
            attempt += 1

    def _send(self, chunk: Chunk) -> int:
        retries, until = self._policy.max_retries, self._until
        if isinstance(chunk.format, InsertFormat):
            return self._engine.run(chunk.format.statement(chunk.body), _count, None, until, retries)
        return self._engine.copy(Sql((chunk.format.text,)), chunk.body.encode(), until, retries)

    def _without_copy(self) -> InsertFormat:
        with self._turn:
            self._cutter.change(self._inserting)
        return self._inserting

    def _wait(self, error: DatabaseError, attempt: int) -> float | None:
        """Return the seconds to wait; with a key an insert is idempotent, so a lost reply is retried."""
        if not self._plan.key or not isinstance(error, (CommitOutcomeUnknown, ConnectionFailed)):
            return None
        lost = ConnectionFailed(error.args[0])
        return self._policy.wait(lost, attempt, time.monotonic())

    def _way_on(self) -> str:
        if self._plan.key:
            return "run it again, existing rows are left unchanged"
        if not self._meter.loaded.rows and not self._unknown:
            return "nothing was inserted, so it can be run again"
        return "a load without key= cannot be run again as it is; find out which rows were inserted"


def _refuses_copy(chunk: Chunk, error: DatabaseError) -> bool:
    """Return whether the server refused COPY itself, in which case nothing of the chunk was inserted."""
    return isinstance(error, FeatureNotSupported) and isinstance(chunk.format, CopyFormat)


def _count(cursor: Cursor) -> int:
    return cursor.count
