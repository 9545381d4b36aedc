# Auto-generated from aio/transaction.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""The transaction that a callback uses: consistent reads, and writes that are collected until its end."""

from __future__ import annotations

from _thread import allocate_lock  # `threading` itself is loaded with the first call
from dataclasses import replace

from ..errors import RaceCondition, TransactionAborted
from .items import (
    ABSENT,
    Item,
    Lock,
    Record,
    check_table,
    item_of,
    live,
    next_version,
    record_of,
    version_of,
)
from .keys import Key, key_of, keys_of
from .lease import Lease
from .limits import ACTIONS
from .locks import check_lock, lock_key, no_guard
from .typed import check_type
from .values import encode
from .writes import Check, Delete, Put, check_atomic

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeVar, overload

    from ..database.course import TransactionInfo
    from .keys import KeyLike
    from .requests import Repetitions
    from .store import Store
    from .writes import Write

    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


class TableTransaction:
    """One attempt of a transaction on a table.

    Reads are consistent, and read the same item once. Writes are sent at the end, in one atomic write that is
    conditional on every item read: if one of them has changed, nothing is written. So a transaction that commits has
    run as if no other one had run at the same time (serializable).

    Tasks, or threads, may share it. The version of an item that the first of them has read counts for all. A read that
    has no answer when the function returns makes the commit fail, and no call after that takes part in it.
    """

    def __init__(
        self,
        store: Store,
        info: TransactionInfo,
        until: float | None,
        conflicts: Repetitions | None = None,
    ) -> None:
        self._store = store
        self._until = until
        self._conflicts = conflicts
        self.info = info
        """The course of the transaction over all its attempts."""
        self.attempt = info.attempts
        """Number of this run of the callback, from 1."""
        self._state = allocate_lock()
        """Held while the fields below are used, and never while waiting or decoding: threads share the transaction."""
        self._read: dict[Key, Record | None] = {}
        """The first answer for each item; a later one does not replace it, as other tasks have seen it."""
        self._written: dict[Key, Put | Delete] = {}
        self._required: dict[Lock | Lease, None] = {}
        self._made: set[int] = set()
        self._moments = 0
        self._reading = 0
        """Number of reads that have no answer yet."""
        self._over = False

    @overload
    def get(self, key: KeyLike) -> Item[Any] | None: ...
    @overload
    def get(self, key: KeyLike, data_type: type[T]) -> Item[T] | None: ...
    def get(self, key: KeyLike, data_type: type[Any] | None = None) -> Item[Any] | None:
        """Return an item, None if there is none. The transaction's own writes are seen.

        The transaction commits only if the item is unchanged then, or still missing.
        """
        (item,) = self._items([key], data_type)
        return item

    @overload
    def get_many(self, keys: Iterable[KeyLike]) -> list[Item[Any] | None]: ...
    @overload
    def get_many(self, keys: Iterable[KeyLike], data_type: type[T]) -> list[Item[T] | None]: ...
    def get_many(self, keys: Iterable[KeyLike], data_type: type[Any] | None = None) -> list[Item[Any] | None]:
        """Return items in the order of their keys, None for each missing one; otherwise as `get`."""
        return self._items(keys, data_type)

    def _items(self, keys: Iterable[KeyLike], data_type: type[Any] | None) -> list[Item[Any] | None]:
        self._check()
        wanted = keys_of(keys)
        check_type(data_type)
        return [item_of(record, data_type, self._store.table) for record in self._records(wanted)]

    def set(self, *items: Item[Any]) -> None:
        """Write items at the end of the transaction.

        An item that was read, here or before, is written only if it is unchanged; any other one in any case.

        Raises:
            RaceCondition: the item was read before the transaction, and has changed until it was read in it.
            TypeError: the data cannot be stored, see `blocks_runtime.atomic_table.values`.
        """
        self._check()
        given = [(version_of(item, self._store.table), record_of(item)) for item in items]
        with self._state:
            self._check()
            puts: dict[Key, Put] = {}
            for known, record in given:  # if one is refused, none is written
                puts[record.key] = self._made_put(record, known, puts.get(record.key))
            self._written |= puts

    def delete(self, *keys: KeyLike) -> None:
        """Delete items at the end of the transaction; those that were read here only if they are unchanged.

        Locks of these keys stay valid, other than with `delete` of the table: a writer that holds one may write such an
        item again. `require(lock)` makes the transaction one of those that respect the lock.
        """
        self._check()
        wanted = [key_of(key) for key in keys]
        with self._state:
            self._check()
            for key in wanted:
                self._written[key] = Delete(key, self._expected(key, None))

    def require(self, *guards: Lock | Lease) -> None:
        """Commit only if locks still have their version, and leases are held then; a lease may be renewed meanwhile.

        Raises:
            RaceCondition: a lock has expired.
            ValueError: a lock is of another table.
        """
        self._check()
        for guard in guards:
            if isinstance(guard, Lock):
                check_table(guard.table, self._store.table, "lock")
                check_lock(guard)
            elif not isinstance(guard, Lease):
                raise no_guard(guard)
            with self._state:
                self._check()
                self._required[guard] = None

    def _get(self, key: Key) -> Record | None:
        """Return the record of a key of this library, None if there is none."""
        (record,) = self._records([key])
        return live(record)

    def _put(self, key: Key, data: object, expires_at: int | None = None) -> None:
        """Write a value under a key of this library."""
        record = Record(key, encode(data), ABSENT, expires_at)
        with self._state:
            self._check()
            self._written[key] = self._made_put(record, None)

    def _delete(self, key: Key) -> None:
        """Delete an item with a key of this library."""
        with self._state:
            self._check()
            self._written[key] = Delete(key, self._expected(key, None))

    def _made_put(self, record: Record, known: int | None, former: Put | None = None) -> Put:
        """Return the write of a record over an item that was read with the version `known`; the caller has the lock.

        `former` is a write of the same item that this one is to replace, other than the one in `_written`.
        """
        expects = self._expected(record.key, known, former)
        put = Put(replace(record, version=next_version(expects or ABSENT)), expects)
        self._made.add(put.record.version)
        return put

    def _records(self, wanted: list[Key]) -> list[Record | None]:
        """Return the records of keys, in their order, as the transaction sees them at one moment."""
        with self._state:
            self._check()
            missing = [
                key for key in dict.fromkeys(wanted) if key not in self._written and key not in self._read
            ]
            if not missing:
                return [self._current(key) for key in wanted]
            self._reading += 1
        try:
            found, moments = self._fetch(missing)
        finally:
            with self._state:
                self._reading -= 1
        with self._state:
            self._check()
            self._moments += moments
            for key, record in zip(missing, found, strict=True):
                if key not in self._written:  # else the transaction sees its own write, made in the meantime
                    self._read.setdefault(key, live(record))  # as it is now: it may expire before the end
            return [self._current(key) for key in wanted]

    def _fetch(self, keys: list[Key]) -> tuple[list[Record | None], int]:
        """Read items in one atomic read if they fit into it; return them and at how many moments: 1, or 2 for more."""
        if len(keys) == 1:
            return self._store.read(keys, self._until), 1
        if len(keys) <= ACTIONS:
            return self._store.snapshot(keys, self._until, self._conflicts), 1
        return self._store.read(keys, self._until), 2

    def _current(self, key: Key) -> Record | None:
        written = self._written.get(key)
        if written is None:
            return self._read.get(key)
        return written.record if isinstance(written, Put) else None

    def _expected(self, key: Key, version: int | None, former: Put | None = None) -> int | None:
        """Return the version that the item must have, None for any; `version` is that of the item to write.

        The one that was read first in the transaction counts: an item that was written in it has a version that is not
        stored yet.

        Raises:
            RaceCondition: the item was read before the transaction, and changed by another writer until it was read in
                it; to write it would undo that change.
        """
        given = None if version in self._made else version
        written = former or self._written.get(key)
        known = None if written is None else written.expects
        if key in self._read:
            known = _version(self._read[key])
        if given is None or known is None:
            return given if known is None else known
        if given != known:
            error = RaceCondition(
                "an item was changed by another writer since it was read, before the transaction"
            )
            error.keys = (key,)
            raise error
        return known

    def _commit(self, *further: Write) -> None:
        """Write everything, conditional on everything read; called after the callback."""
        self._check()
        if self._end():
            raise TransactionAborted(
                "a read of the transaction is still under way, so it is not committed",
                advice="wait for every call before the function returns",
            )
        required = self._conditions()
        writes = [*self._written.values(), *further]
        if not writes and not self._required:
            self._validate()
            return
        only_read = [
            Check(key, _version(record)) for key, record in self._read.items() if key not in self._written
        ]
        actions = [*writes, *only_read, *{check.key: check for _, check in required}.values()]
        check_atomic(actions)
        try:
            self._store.write(actions, self._until, self._conflicts)
        except RaceCondition as race:
            check_leases(race, required)
            raise

    def _conditions(self) -> list[tuple[Lock | Lease, Check]]:
        """Return the conditions of `require`, as they are at the end of the transaction."""
        found: list[tuple[Lock | Lease, Check]] = []
        for guard in self._required:
            if isinstance(guard, Lock):
                check_lock(guard)
                check = Check(lock_key(guard.key), guard.version)
            else:
                check = guard.condition(self._store.table)
            found.append((guard, check))
        return found

    def _validate(self) -> None:
        """Check that everything read was so at one moment; the transaction has ended.

        Raises:
            RaceCondition: an item has changed since it was read.
        """
        if self._moments < 2:
            return
        keys = list(self._read)
        check_atomic([Check(key, ABSENT) for key in keys])
        found = self._store.snapshot(keys, self._until, self._conflicts)
        changed = [
            key
            for key, record in zip(keys, found, strict=True)
            if _version(live(record)) != _version(self._read[key])
        ]
        if changed:
            error = RaceCondition(
                f"{len(changed)} of the {len(keys)} items read changed during the transaction"
            )
            error.keys = tuple(changed)
            raise error

    def _end(self) -> int:
        """Refuse further calls, and the answers of reads that are still under way; return the number of those."""
        with self._state:
            self._over = True
            return self._reading

    def _check(self) -> None:
        if self._over:
            raise TransactionAborted(
                "the transaction is over", advice="use `tx` only inside the callback or the block"
            )


def check_leases(race: RaceCondition, guards: Iterable[tuple[Lock | Lease, Check]]) -> None:
    """Check whether a write was refused because of a lease.

    Raises:
        LeaseLost: another process has one.
    """
    for guard, check in guards:
        if not isinstance(guard, Lock):
            guard.refused(race, check)


def _version(record: Record | None) -> int:
    """Return the version of a record, `ABSENT` if there is none."""
    return ABSENT if record is None else record.version
