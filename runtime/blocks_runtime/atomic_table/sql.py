# Auto-generated from aio/sql.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Store of records in a table of a `DistributedDatabase`."""

from __future__ import annotations

import contextlib
import time

from ..errors import (
    CommitOutcomeUnknown,
    DatabaseError,
    RaceCondition,
    SerializationFailure,
    TransactionAborted,
    UniqueConstraintViolation,
)
from ..shared.deadline import not_sent
from ..shared.retry import CONFLICTS
from .items import ABSENT, live, new_write_id, next_version
from .keys import shown
from .primitives import sleep
from .requests import PATIENCE, Repetitions, unknown_write
from .rows import (
    delete,
    delete_expired,
    failed,
    lock,
    new_versions,
    record_of,
    records_after,
    select,
    select_page,
    storable,
    upsert,
)
from .writes import Check

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..database.counters import Counters
    from ..database.database import DistributedDatabase
    from ..database.transaction import Transaction
    from .items import Record
    from .keys import Key
    from .writes import Add, Write

_ROWS = 500
"""Rows of one statement, well below the limits of a transaction."""

_CONFLICTS = 50
"""Retries of a write after conflicts; its conditions are evaluated anew each time."""

_LOST = 5
"""Repetitions of a write whose answer was lost."""


class SqlStore:
    """Reads and writes records, expired ones included, each call until `until`, a `time.monotonic()`."""

    def __init__(
        self, database: DistributedDatabase, table: str, counters: Counters, patience: float = PATIENCE
    ) -> None:
        self.table = f"{table!r} in the database {database.name!r}"
        self._counters = counters
        self._database = database
        self._table = table
        self._patience = patience

    def read(
        self, keys: Sequence[Key], until: float | None, *, consistent: bool = True
    ) -> list[Record | None]:
        """Return the records of distinct keys, in their order; every read sees all that was committed."""
        del consistent
        storable(keys)
        found: dict[Key, Record] = {}
        for start in range(0, len(keys), _ROWS):
            statement = select(self._table, keys[start : start + _ROWS])
            rows = self._database.query(statement, deadline=self._seconds(until))
            found |= {record.key: record for record in map(record_of, rows)}
        return [found.get(key) for key in keys]

    def snapshot(
        self, keys: Sequence[Key], until: float | None, conflicts: Repetitions | None = None
    ) -> list[Record | None]:
        """Return the records of keys as they were at one moment, in the order of the keys: one query."""
        del conflicts
        return self.read(keys, until)

    def write(
        self, writes: Sequence[Write], until: float | None, conflicts: Repetitions | None = None
    ) -> None:
        """Carry out all actions or none.

        A COMMIT whose answer was lost is repeated: the rows have the identity of the write, so it is recognized if it
        had taken effect.

        Raises:
            RaceCondition: a condition failed, so nothing was written.
            CommitOutcomeUnknown: no answer arrived, and others have written the rows since.
        """
        storable([write.key for write in writes])
        with self._outcome() as outcome:
            self._write(writes, until, conflicts or Repetitions(), outcome)

    def _write(
        self, writes: Sequence[Write], until: float | None, repetitions: Repetitions, outcome: _Outcome
    ) -> None:
        attempt = _Attempt(self._table, writes, outcome)
        while True:
            left = repetitions.left(_CONFLICTS)
            attempt.repetitions = repetitions, repetitions.made
            try:
                with outcome:
                    changed = self._database.transaction(
                        attempt.run, retry_on_conflict=True, max_retries=left, deadline=self._seconds(until)
                    )
                    if changed:
                        raise _race(changed, len(writes))
                    return
            except (UniqueConstraintViolation, TransactionAborted) as refused:
                # Nothing was written: a row was inserted meanwhile.
                if not repetitions.left(_CONFLICTS):
                    raise SerializationFailure(
                        "another transaction has inserted one of the rows, on every attempt"
                    ) from refused
                repetitions.made += 1
            sleep(CONFLICTS.wait(outcome.lost + repetitions.made))

    def put_all(self, records: Sequence[Record], until: float | None) -> None:
        """Write records of distinct keys in any order, in chunks that are each atomic."""
        storable([record.key for record in records])
        for start in range(0, len(records), _ROWS):
            with self._outcome() as outcome:
                self._repeated(records[start : start + _ROWS], (), until, outcome)

    def delete_all(self, keys: Sequence[Key], until: float | None) -> None:
        """Delete items of distinct keys in any order, in chunks that are each atomic."""
        storable(keys)
        for start in range(0, len(keys), _ROWS):
            with self._outcome() as outcome:
                self._repeated((), keys[start : start + _ROWS], until, outcome)

    def add(self, write: Add, until: float | None) -> None:
        """Carry out an addition.

        Raises:
            CommitOutcomeUnknown: the answer was lost, and others have added since.
        """
        self.write([write], until)

    def page(
        self,
        pk: str,
        prefix: str,
        until: float | None,
        *,
        reverse: bool = False,
        limit: int | None = None,
        after: str | None = None,
        consistent: bool = True,
    ) -> tuple[list[Record], str | None]:
        """Return some records of a partition in order, and the `sk` to go on after; None at the end."""
        del consistent
        size = _ROWS if limit is None else min(limit, _ROWS)
        statement = select_page(self._table, pk, prefix, reverse=reverse, limit=size, after=after)
        records = [record_of(row) for row in self._database.query(statement, deadline=self._seconds(until))]
        return records, records[-1].key.sk if len(records) == size else None

    def purge(self, until: float | None) -> int:
        """Delete expired rows, and return their number."""
        total = 0
        while True:
            statement = delete_expired(self._table, int(time.time()), _ROWS)
            with self._outcome():
                count = self._database.execute(statement, deadline=self._seconds(until))
            total += count
            if not count:
                return total

    @property
    def patience(self) -> float:
        """Seconds for a statement or transaction."""
        return self._patience

    @property
    def forked(self) -> bool:
        """False: the database sees to its own connections."""
        return False

    @property
    def usage(self) -> tuple[int, int, int]:
        """Statements sent, connections replaced, connections idle: those of the database."""
        stats = self._database.stats
        return stats.statements, stats.replaced, stats.idle

    def close(self) -> None:
        """Do nothing: the database belongs to the caller."""

    @contextlib.contextmanager
    def _outcome(self) -> Iterator[_Outcome]:
        """Run one write, which may be sent several times, and count it if its outcome stays unknown.

        Once an answer was lost, an error of any kind leaves it open whether that one was carried out. The database
        counts each lost answer in its own counters.

        Raises:
            CommitOutcomeUnknown: in the place of each error of the block after a lost answer.
        """
        outcome = _Outcome()
        try:
            yield outcome
        except DatabaseError as error:
            if not outcome.lost and not error.commit_unknown:
                raise
            self._counters.add(unknown=1)
            if error.commit_unknown:
                raise
            raise unknown_write(error) from error

    def _repeated(
        self, records: Sequence[Record], keys: Sequence[Key], until: float | None, outcome: _Outcome
    ) -> None:
        """Write or delete rows; after a lost answer those that no other writer has written since.

        Raises:
            CommitOutcomeUnknown: no answer arrived, or another writer has written a row since.
        """
        before, write_id = next_version(), new_write_id()
        written = keys or [record.key for record in records]
        while True:
            if records:
                statement = upsert(self._table, records, write_id, unless_newer=outcome.lost > 0)
            else:
                statement = delete(self._table, keys, before=before if outcome.lost else None)
            with outcome:
                self._database.execute(statement, deadline=self._seconds(until))
                break
            sleep(0.05 * 2 ** (outcome.lost - 1))
        if outcome.lost and self._is_undecided(written, write_id, until):
            raise CommitOutcomeUnknown("the answer to a write was lost, and another writer has written since")

    def _is_undecided(self, keys: Sequence[Key], write_id: str, until: float | None) -> bool:
        """Return whether a row is of another writer: one that came later, or whose clock is ahead."""
        found = map(live, self.read(keys, until))
        return any(record is not None and record.write_id != write_id for record in found)

    def _seconds(self, until: float | None) -> float:
        """Return the seconds until a `time.monotonic()`, and not more than the patience.

        Raises:
            DeadlineExceeded: it has passed.
        """
        if until is None:
            return self._patience
        left = until - time.monotonic()
        if left <= 0:
            raise not_sent()
        return min(left, self._patience)


class _Outcome:
    """The number of lost answers to one write, which each `with` block sends once.

    A block whose answer is lost ends without an error, so that the write can be sent again.

    Raises:
        CommitOutcomeUnknown: by the block, if answers were lost too often, or the outcome cannot be found out.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.undecided = False
        """True once it cannot be found out any more whether the write was made."""

    def __enter__(self) -> None:
        """Begin to send."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, CommitOutcomeUnknown):
            return False
        self.lost += 1
        return not self.undecided and self.lost <= _LOST


class _Attempt:
    """An atomic write, which runs in as many transactions as it takes."""

    def __init__(self, table: str, writes: Sequence[Write], outcome: _Outcome) -> None:
        self._table = table
        self._writes = writes
        self._keys = [write.key for write in writes]
        self._versions = new_versions(writes)
        self._write_id = new_write_id()
        self._seen: dict[Key, int] | None = None
        self.repetitions = Repetitions(), 0
        """The repetitions of the whole transaction, and their number before this one of the database."""
        self._outcome = outcome

    def run(self, tx: Transaction) -> list[Key]:
        """Evaluate the conditions and write, in one transaction; return the keys whose condition does not hold."""
        now = time.time()
        counted, before = self.repetitions
        counted.made = before + tx.attempt - 1
        rows = tx.query(select(self._table, self._keys))
        found = {record.key: record for record in map(record_of, rows)}
        versions = {key: record.version for key, record in found.items()}
        if self._outcome.lost and any(record.write_id == self._write_id for record in found.values()):
            return []  # the COMMIT whose answer was lost has written this
        if self._outcome.lost and versions != self._seen:
            self._outcome.undecided = True
            raise CommitOutcomeUnknown(
                "the answer to a COMMIT was lost, and others have written the items since"
            )
        self._seen = versions
        if changed := failed(self._writes, found, now):
            return changed
        for write in self._writes:
            if isinstance(write, Check) and write.expects != ABSENT:
                tx.query(lock(self._table, write.key))
        records = records_after(self._writes, found, self._versions, now)
        if records:
            tx.execute(upsert(self._table, records, self._write_id))
        return []


def _race(changed: list[Key], count: int) -> RaceCondition:
    error = RaceCondition(f"{len(changed)} of the {count} items were changed by another writer since read")
    error.keys = tuple(map(shown, changed))
    return error
