"""`AsyncAtomicTable`: items with versions, atomic writes and optimistic locks."""

from __future__ import annotations

from _thread import allocate_lock  # `threading` itself is loaded with the first call

from .reads import AsyncReads, until_of

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, Concatenate, ParamSpec, TypeVar, overload

    from ...database.aio.database import AsyncDistributedDatabase
    from ...database.results import Stats
    from ...shared.deadline import Deadline
    from ..items import Item, Lock
    from ..keys import KeyLike
    from ..once import Once
    from .counter import AsyncCounter
    from .engine import AsyncTableEngine
    from .lease import AsyncLease
    from .queue import AsyncQueue
    from .transaction import AsyncTableTransaction

    P = ParamSpec("P")
    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


class AsyncAtomicTable(AsyncReads):
    """The table that the stack calls `name`: items with a partition key, a sort key and data.

    Create it once, at the top of the module: it connects with the first call, and keeps its connections. It reads the
    environment variables that `grant_read_write` has set on the function; on a laptop without them it starts the
    project's local DynamoDB. With `database` the items are rows of a table of that database instead.

    Every method takes a `deadline`, in seconds from now or as the context of a Lambda invocation, of which half a
    second is left to the handler. Without one it gives up after `request_deadline`.
    """

    def __init__(
        self,
        name: str,
        *,
        database: AsyncDistributedDatabase | None = None,
        max_connections: int = 50,
        request_deadline: float | None = None,
    ) -> None:
        """Store the options; nothing is read or connected yet.

        Args:
            name: id of the construct, or with `database` the name of the table.
            database: keeps the items in this database, in the table that `atomic_table.schema` creates.
            max_connections: connections to DynamoDB that are kept open while they are idle.
            request_deadline: seconds for any single request with its repetitions, also those of leases, queues and
                counters; a deadline of a call may be shorter. None: `requests.PATIENCE`.
        """
        from ..arguments import of_type, text, whole
        from ..durations import seconds

        self.name = text("name", name, "the id of the construct, or the name of the table in a database")
        self._max_connections = whole("max_connections", max_connections, 1)
        if request_deadline is not None:
            seconds("request_deadline", request_deadline)
        if database is not None:
            from ...database.aio.database import AsyncDistributedDatabase

            if not isinstance(database, AsyncDistributedDatabase):
                raise of_type("database", database, f"an object of {AsyncDistributedDatabase.__name__}")
        self._database = database
        self._request_deadline = request_deadline
        self._engine: AsyncTableEngine | None = None
        self._lock = allocate_lock()

    async def set(self, items: Item[Any] | Iterable[Item[Any]], *, deadline: Deadline | None = None) -> None:
        """Write one item, or any number of items, whatever is stored.

        Several are written in batches, so after an error some may be written and some not; a repetition writes the same
        once more. Versions are not compared: use `set_atomic` or `transaction` where another writer's change must not
        be lost. If an answer is lost, items that another writer has written since are left as they are.

        Raises:
            CommitOutcomeUnknown: an answer was lost, and another writer has written an item since.
            TableLimitExceeded: an item or a key is too large; nothing was written.
            TypeError: data cannot be stored, see `blocks_runtime.atomic_table.values`.
            ValueError: two items have the same key.
            DatabaseError: see `blocks_runtime.errors`.
        """
        from ..items import several

        await self._connected().set(several(items), until_of(deadline))

    async def delete(self, keys: KeyLike | Iterable[KeyLike], *, deadline: Deadline | None = None) -> None:
        """Delete one item, or any number of items; missing ones are no error.

        Several are deleted in batches, as `set` writes them. Locks of these keys that were acquired before are not
        valid any more: the stored lock gets a new version, which is greater than all before. Locks are read and written
        after the items. So after any error, `DeadlineExceeded` included, items may be deleted and their locks still
        valid; a repetition does what is left.

        Raises:
            CommitOutcomeUnknown: an answer was lost, and another writer has written an item since.
            DatabaseError: see `blocks_runtime.errors`.
        """
        from ..keys import is_one_key

        wanted: Any = [keys] if is_one_key(keys) else keys
        await self._connected().delete(wanted, until_of(deadline))

    async def get_lock(self, key: KeyLike, *, deadline: Deadline | None = None) -> Lock:
        """Return the lock of a key; it is created if there is none.

        A lock is an item of its own, and needs no item under its key. It is accepted for 24 hours after it was last
        written. In its last hour, and later, it is renewed: it gets a new version, which grows and is never reset.
        """
        return await self._connected().get_lock(key, until_of(deadline))

    async def set_atomic(
        self,
        items: Item[Any] | Iterable[Item[Any]],
        locks: Lock | AsyncLease | Iterable[Lock | AsyncLease] = (),
        *,
        once: str | Once | None = None,
        deadline: Deadline | None = None,
    ) -> list[Lock]:
        """Write all items, if every lock still has its version; return the locks with their new versions.

        Items that were read from the table (`item.with_data(…)`) must still have their own version, too. Locks and
        items need not be of the same number. Leases may be given among the locks. With `once` a repetition with the
        same id writes nothing.

        Raises:
            RaceCondition: a lock or an item was changed since it was read; nothing was written.
            CommitOutcomeUnknown: no answer arrived within the deadline.
            TableLimitExceeded: more than 100 items and locks, or too many bytes; nothing was written.
            DatabaseError: see `blocks_runtime.errors`.
        """
        from ..items import Lock, several
        from ..locks import no_guard
        from .lease import AsyncLease

        if isinstance(locks, (Lock, AsyncLease)):
            locks = [locks]
        elif not hasattr(locks, "__iter__"):
            raise no_guard(locks)
        return await self._connected().set_atomic(list(several(items)), list(locks), once, until_of(deadline))

    @overload
    def transaction(
        self, *, deadline: Deadline | None = None
    ) -> AbstractAsyncContextManager[AsyncTableTransaction]: ...
    @overload
    def transaction(
        self,
        fn: Callable[[AsyncTableTransaction], Awaitable[T]],
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        once: str | Once | None = None,
        deadline: Deadline | None = None,
    ) -> Awaitable[T]: ...
    def transaction(
        self,
        fn: Callable[[AsyncTableTransaction], Awaitable[T]] | None = None,
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        *,
        once: str | Once | None = None,
        deadline: Deadline | None = None,
    ) -> Any:
        """Run `fn(tx)`, commit what it wrote, and return what it returned.

        Transactions are serializable: all that `fn` has read is unchanged when its writes take effect, all in one
        moment. An exception from `fn` writes nothing and passes through, unless something that it read had changed. By
        default a conflict is raised. With `retry_on_conflict` all of `fn` is run again, up to `max_retries` more times
        and not beyond `deadline`, after a random wait that grows; so `fn` must be safe to run more than once.

        With `once` the result is recorded in the same write. A call with the same id returns that result, and does not
        run `fn`, or discards what it wrote.

        Without `fn` it is a context manager for `with`: the block is the transaction, and cannot be run again.

        Raises:
            RaceCondition: something that was read has changed, at the last attempt.
            CommitOutcomeUnknown: no answer arrived; this is never retried.
            TableLimitExceeded: `fn` read and wrote more than 100 items, or too many bytes.
            OnceMismatch: the id of `once` was used before, with another payload.
            TypeError: retries were asked for without a function to run again.
            DatabaseError: anything else, see `blocks_runtime.errors`.
        """
        check_retries(retry_on_conflict, max_retries)
        if fn is None:
            if retry_on_conflict or once is not None:
                raise TypeError(
                    "a with block cannot be run again, so it has neither retry_on_conflict nor once; "
                    "put it into a function and pass that to transaction()"
                )
            return self._connected().block(until_of(deadline))
        check_function(fn)
        retries = max_retries if retry_on_conflict else 0
        return self._connected().transaction(fn, retries, until_of(deadline), once)

    def transactional(
        self,
        *,
        retry_on_conflict: bool = False,
        max_retries: int = 3,
        deadline: float | None = None,
    ) -> Callable[[Callable[Concatenate[AsyncTableTransaction, P], Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Return a decorator for a function whose first parameter is a transaction; each call runs one.

        The options and errors are those of `transaction`.
        """
        import functools

        check_retries(retry_on_conflict, max_retries)

        def decorate(
            fn: Callable[Concatenate[AsyncTableTransaction, P], Awaitable[T]],
        ) -> Callable[P, Awaitable[T]]:
            check_function(fn)

            @functools.wraps(fn)
            async def run(*args: P.args, **kwargs: P.kwargs) -> T:
                return await self.transaction(
                    lambda tx: fn(tx, *args, **kwargs), retry_on_conflict, max_retries, deadline=deadline
                )

            return run

        return decorate

    def lease(
        self, name: str, *, seconds: float = 60, wait: float = 0, owner: str | None = None
    ) -> AsyncLease:
        """Return a lease, for `with`: one process at a time has it.

        Args:
            name: name of the job.
            seconds: time after which another process may take it over; `renew` starts it again.
            wait: seconds to wait for another holder. Default: none.
            owner: text that the item shows. Default: log stream and number of the process.
        """
        from .lease import AsyncLease

        return AsyncLease(self._connected().store, name, seconds, wait, owner)

    def counter(self, name: str, *, shards: int = 1) -> AsyncCounter:
        """Return a counter, spread over `shards` items."""
        from .counter import AsyncCounter

        return AsyncCounter(self._connected().store, name, shards)

    def queue(self, name: str) -> AsyncQueue:
        """Return a FIFO queue."""
        from .queue import AsyncQueue

        return AsyncQueue(self._connected(), name)

    async def purge(self, *, deadline: Deadline | None = None) -> int:
        """Delete expired rows of a table in a `DistributedDatabase`, and return their number; run it once a day.

        DynamoDB deletes expired items by itself, and the number is 0.
        """
        return await self._connected().store.purge(until_of(deadline))

    @property
    def stats(self) -> Stats:
        """Counters of this process for this table; `statements` are requests."""
        from ...database.results import Stats
        from .connect import stats_of

        engine = self._engine
        return Stats() if engine is None else stats_of(engine)

    async def close(self) -> None:
        """Close every connection; safe to repeat. The next call connects again. `database` stays open."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.store.close()

    async def __aenter__(self) -> AsyncAtomicTable:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __reduce__(self) -> tuple[object, ...]:
        from ...shared.pickling import unconnected

        return unconnected(self)

    def __repr__(self) -> str:
        return f"AsyncAtomicTable({self.name!r})"

    def _connected(self) -> AsyncTableEngine:
        engine = self._engine
        if engine is None or engine.store.forked:
            return self._connect()
        return engine

    def _connect(self) -> AsyncTableEngine:
        from ...shared.gc_pause import GcPaused

        with GcPaused():
            from .connect import engine_for
        with self._lock:
            if self._engine is None or self._engine.store.forked:
                self._engine = engine_for(
                    self.name, self._database, self._max_connections, self._request_deadline
                )
            return self._engine


def check_retries(retry_on_conflict: object, max_retries: object) -> None:
    """Check the options of a transaction.

    Raises:
        TypeError: one is of another type.
        ValueError: the number of retries is negative.
    """
    from ..arguments import switch, whole

    switch("retry_on_conflict", retry_on_conflict)
    whole("max_retries", max_retries, 0)


def check_function(fn: object) -> None:
    """Check that a caller gave a function whose call runs its body.

    Raises:
        TypeError: it is another value, or a generator function.
    """
    from ...shared.callbacks import refuse_generator_function

    if not callable(fn):
        from ..arguments import of_type

        raise of_type("fn", fn, "a function with the transaction as its parameter")
    refuse_generator_function(fn)
