# Auto-generated from aio/engine.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Operations of a table on its store, and the retries of transactions. Imported with the first operation."""

from __future__ import annotations

import contextlib
import time

from ..database.course import Course
from ..errors import DatabaseError, LeaseLost, RaceCondition, SerializationFailure
from ..shared.retry import RetryPolicy
from .items import ABSENT, Item, Lock, check_table, item_of, live, record_of, version_of
from .keys import Key, key_of, keys_of
from .lease import Lease
from .limits import ACTIONS
from .locks import check_lock, has_no_lock, is_fresh, lock_key, lock_of, no_guard, renewed
from .once import once_of
from .primitives import ensure_result, sleep
from .requests import Repetitions
from .transaction import TableTransaction, check_leases
from .typed import check_type
from .values import decode
from .writes import Delete, Put, check_atomic, check_distinct, check_record

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeVar

    from ..database.counters import Counters
    from ..database.course import TransactionInfo
    from ..database.instrumentation import Instrumentation
    from .items import Record
    from .keys import KeyLike
    from .once import Once
    from .store import Store
    from .writes import Check, Write

    T = TypeVar("T")

_EXHAUSTED = "others keep changing the same items: run fewer of them at once, or allow more retries"

_LOCK_ATTEMPTS = 100
"""Attempts to read or write a lock that others write at the same time."""


class TableEngine:
    """The store of one table, and the retry rules."""

    def __init__(self, store: Store, counters: Counters, instrumentation: Instrumentation) -> None:
        self.store = store
        self.counters = counters
        self._instrumentation = instrumentation

    def get_many(
        self, keys: Iterable[KeyLike], data_type: type[Any] | None, consistent: bool, until: float | None
    ) -> list[Item[Any] | None]:
        """Return items in the order of their keys; a key may come twice."""
        wanted = keys_of(keys)
        check_type(data_type)
        distinct = list(dict.fromkeys(wanted))
        if not distinct:
            return []
        records = self.store.read(distinct, until, consistent=consistent)
        found = dict(zip(distinct, records, strict=True))
        return [item_of(found[key], data_type, self.store.table) for key in wanted]

    def set(self, items: Iterable[Item[Any]], until: float | None) -> None:
        """Write items, each by itself."""
        records = [record_of(item) for item in items]
        check_distinct(record.key for record in records)
        for record in records:
            check_record(record)
        if records:
            self.store.put_all(records, until)

    def delete(self, keys: Iterable[KeyLike], until: float | None) -> None:
        """Delete items, each by itself, and write their locks, so that no lock is valid that was acquired before.

        A lock stays with a new version until its life ends: the next one would otherwise get its version from the clock
        of another machine, which may be behind.
        """
        wanted = list(dict.fromkeys(keys_of(keys)))
        if not wanted:
            return
        self.store.delete_all(wanted, until)
        lockable = [key for key in wanted if not has_no_lock(key)]
        for start in range(0, len(lockable), ACTIONS // 2):
            self._delete_locked(lockable[start : start + ACTIONS // 2], until)

    def _delete_locked(self, keys: Sequence[Key], until: float | None) -> None:
        """Delete those items that have locks once more, each in one atomic write with its lock.

        Another process may have written such an item under its lock since it was deleted.
        """
        for _ in range(_LOCK_ATTEMPTS):
            records = self.store.read([lock_key(key) for key in keys], until)
            locks = [
                renewed(key, record.version)
                for key, record in zip(keys, records, strict=True)
                if record is not None
            ]
            deleted = [Delete(key) for key, record in zip(keys, records, strict=True) if record is not None]
            if not locks:
                return
            try:
                self.store.write([*deleted, *locks], until)
            except RaceCondition:  # others have written under these locks since
                continue
            return
        raise _always_written()

    def get_lock(self, given: KeyLike, until: float | None) -> Lock:
        """Return the lock of a key; create it, or renew it at the end of its life."""
        key = key_of(given)
        stored = lock_key(key)
        for _ in range(_LOCK_ATTEMPTS):
            (record,) = self.store.read([stored], until)
            if record is not None and is_fresh(record, time.time()):
                return lock_of(key, record, self.store.table)
            put = renewed(key, ABSENT if record is None else record.version)
            try:
                self.store.write([put], until)
            except RaceCondition:  # another process created or wrote it: that one counts
                continue
            return lock_of(key, put.record, self.store.table)
        raise _always_written()

    def set_atomic(
        self,
        items: Sequence[Item[Any]],
        guards: Sequence[Lock | Lease],
        once: str | Once | None,
        until: float | None,
    ) -> list[Lock]:
        """Write items and locks, all or none; return the locks with their new versions."""
        identity = once_of(once)
        try:
            return self._write_guarded(items, guards, identity, until)
        except (RaceCondition, LeaseLost) as error:
            record = None if identity is None else self._result(identity, until)
            if identity is None or record is None:
                self.counters.add(conflicts=isinstance(error, RaceCondition))
                raise
            identity.result_in(record)  # refuses another payload
            return [self.get_lock(each, until) for each in guards if isinstance(each, Lock)]

    def _write_guarded(
        self,
        items: Sequence[Item[Any]],
        guards: Sequence[Lock | Lease],
        identity: Once | None,
        until: float | None,
    ) -> list[Lock]:
        table = self.store.table
        writes: list[Write] = []
        locks: list[Lock] = []
        leases: list[tuple[Lease, Check]] = []
        for guard in guards:
            if isinstance(guard, Lock):
                check_table(guard.table, table, "lock")
                check_lock(guard)
                put = renewed(guard.key, guard.version)
                locks.append(lock_of(guard.key, put.record, table))
                writes.append(put)
            elif isinstance(guard, Lease):
                leases.append((guard, guard.condition(table)))
                writes.append(leases[-1][1])
            else:
                raise no_guard(guard)
        for item in items:
            known = version_of(item, table)
            writes.append(Put(record_of(item, known or ABSENT), known))
        if identity is not None:
            writes.append(identity.put(None))
        if not writes:
            return []
        check_atomic(writes)
        try:
            self.store.write(writes, until)
        except RaceCondition as race:
            check_leases(race, leases)
            raise
        self.counters.add(commits=1)
        return locks

    def transaction(
        self,
        fn: Callable[[TableTransaction], T],
        max_retries: int,
        until: float | None = None,
        once: str | Once | None = None,
    ) -> T:
        """Run `fn` until it commits or the policy gives up.

        Only a conflict runs it again. An outage or throttling was waited for by the store until its deadline, so a
        further run would only multiply that time. For the same reason all runs share the repetitions of their requests
        after a conflict.
        """
        policy, identity = RetryPolicy(max_retries, until), once_of(once)
        course, conflicts = self._course(), Repetitions()
        while True:
            info = course.attempt()
            try:
                result = self._attempt(fn, info, until, identity, conflicts)
            except DatabaseError as error:
                conflict = isinstance(error, SerializationFailure)
                wait = policy.wait(error, info.attempts, time.monotonic()) if conflict else None
                if wait is None and identity is not None and _lost_to(error, identity.key):
                    wait = 0.0  # the other one has committed: its result is returned
                course.failed(error, wait)
                if wait is None:
                    raise
            else:
                course.committed()
                return result
            sleep(wait)

    @contextlib.contextmanager
    def block(self, until: float | None) -> Iterator[TableTransaction]:
        """Run the body of a `with` as one attempt; it cannot be run again."""
        course = self._course()
        tx = TableTransaction(self.store, course.attempt(), until)
        try:
            yield tx
            tx._commit()
        except DatabaseError as error:
            course.failed(error, None)
            raise
        finally:
            tx._end()
        course.committed()

    def _attempt(
        self,
        fn: Callable[[TableTransaction], T],
        info: TransactionInfo,
        until: float | None,
        once: Once | None,
        conflicts: Repetitions,
    ) -> T:
        if once is not None and (record := self._result(once, until)) is not None:
            result: Any = once.result_in(record)
            return result  # type: ignore[no-any-return]
        tx = TableTransaction(self.store, info, until, conflicts)
        try:
            result = ensure_result(fn(tx))
            put = None if once is None else once.put(result)
            tx._commit(*([] if put is None else [put]))
        except DatabaseError:
            raise
        except Exception:
            # What the function saw may never have been so at one moment, and its error a consequence.
            tx._end()
            tx._validate()
            raise
        finally:
            tx._end()
        if put is None:
            return result  # type: ignore[no-any-return]
        return decode(put.record.data["M"]["result"])  # type: ignore[return-value]

    def _result(self, once: Once, until: float | None) -> Record | None:
        (record,) = self.store.read([once.key], until)
        return live(record)

    @property
    def limit(self) -> float:
        """The `time.monotonic()` at which a call without a deadline gives up that consists of several requests."""
        return time.monotonic() + self.store.patience

    def _course(self) -> Course:
        return Course(self.counters, self._count, self._instrumentation, _EXHAUSTED)

    def _count(self, error: DatabaseError, again: bool) -> None:
        self.counters.add(conflicts=isinstance(error, RaceCondition), retries=again)


def _lost_to(error: DatabaseError, key: Key) -> bool:
    """Return whether a conflict was on the item with this key."""
    return isinstance(error, (RaceCondition, LeaseLost)) and key in error.keys


def _always_written() -> RaceCondition:
    return RaceCondition(
        "the lock was written by others on every attempt", advice="use more locks, or fewer writers"
    )
