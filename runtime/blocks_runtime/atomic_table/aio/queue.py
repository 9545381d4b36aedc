"""A FIFO queue: messages in order, each to one consumer at a time, and one waiting message for an id."""

from __future__ import annotations

from dataclasses import replace

from ...errors import MessageLost, RaceCondition
from ..durations import seconds
from ..items import live
from ..keys import Key
from ..messages import LAST, PAGE, Ids, Message, Row, id_key, last_key, row_key
from ..typed import check_type, typed
from ..values import decode, encode

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeVar, overload

    from .engine import AsyncTableEngine
    from .transaction import AsyncTableTransaction

    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


_RETRIES = 50
"""Retries of one step of a queue: all that push write the number of the last message."""


class AsyncQueue:
    """A queue in a table.

    `push` appends. `pull` returns the first message that no consumer has, and gives it to this one for a time. `ack`
    deletes it; without it the message becomes visible again. A message that is busy does not hold up those behind it,
    except those with its id.
    """

    def __init__(self, engine: AsyncTableEngine, name: str) -> None:
        self.name = name
        self._engine = engine
        self._rows = last_key(name).pk
        self._place = f"{name!r} of {engine.store.table}"

    async def push(self, id: str, data: object) -> None:
        """Append a message.

        If one with this id is waiting, it gets the new data and keeps its place. If one is being processed, another one
        is appended, which is received after that one.

        Raises:
            TypeError: the data cannot be stored.
        """
        encode(data)
        index, last = id_key(self.name, id), last_key(self.name)

        async def append(tx: AsyncTableTransaction) -> None:
            known = await self._ids(tx, index)
            if known.places:
                key = Key(self._rows, known.places[-1])
                row = await self._row(tx, key)
                if (
                    row is not None and not row.busy
                ):  # a late consumer of the old data must not acknowledge the new
                    tx._put(key, replace(row, data=data, receipt="").stored)
                    return
            counted = await tx._get(last)
            number = 1 if counted is None else int(str(decode(counted.data))) + 1
            key = row_key(self.name, number)
            tx._put(last, number)
            tx._put(key, Row(id, data).stored)
            tx._put(index, known.appended(key.sk).stored)

        await self._engine.transaction(append, _RETRIES, self._engine.limit)

    @overload
    async def pull(self, *, visibility: float = 300) -> Message[Any] | None: ...
    @overload
    async def pull(self, data_type: type[T], *, visibility: float = 300) -> Message[T] | None: ...
    async def pull(
        self, data_type: type[Any] | None = None, *, visibility: float = 300
    ) -> Message[Any] | None:
        """Return the first message that no consumer has, None if there is none.

        It is invisible to others for `visibility` seconds; then another consumer may receive it, and this one's receipt
        is not valid any more.

        Raises:
            TypeError: the data of the first message does not fit `data_type`; the message stays where it is.
            CommitOutcomeUnknown: no answer arrived; a message that was received becomes visible after `visibility`.
        """
        check_type(data_type)
        seconds("visibility", visibility)
        after: str | None = None
        busy: set[str] = set()
        while True:
            records, after = await self._engine.store.page(self._rows, "", None, limit=PAGE, after=after)
            for record in records:
                if record.key.sk == LAST or live(record) is None:
                    continue
                row = Row.of(decode(record.data))
                if row.busy or row.id in busy:
                    busy.add(row.id)
                    continue
                taken = await self._take(record.key, data_type, visibility)
                if taken is None:  # another consumer was faster
                    busy.add(row.id)
                    continue
                return taken
            if after is None:
                return None

    async def ack(self, message: Message[Any]) -> None:
        """Delete a message: its work is done. It is safe to repeat after a lost answer, for a day.

        Raises:
            MessageLost: the visibility timeout has passed, and another consumer has or had it, or it has new data.
            ValueError: it is from another queue.
        """
        self._check(message)
        index = id_key(self.name, message.id)

        async def finish(tx: AsyncTableTransaction) -> None:
            known = await self._ids(tx, index)
            if message.receipt in known.acknowledged:
                return
            key, _ = await self._held(tx, message)
            rest = known.without(message.sk, message.receipt)
            tx._delete(key)
            tx._put(index, rest.stored, rest.expires_at)

        await self._engine.transaction(finish, _RETRIES, self._engine.limit)

    async def release(self, message: Message[Any]) -> None:
        """Make a message visible again at once, in its place; errors are those of `ack`."""

        async def give_back(tx: AsyncTableTransaction) -> None:
            key, row = await self._held(tx, message)
            tx._put(
                key, replace(row, visible_at=0).stored
            )  # with its receipt, so that a repetition is the same

        await self._engine.transaction(give_back, _RETRIES, self._engine.limit)

    async def extend(self, message: Message[Any], visibility: float) -> None:
        """Keep a message for `visibility` seconds from now; errors are those of `ack`."""
        seconds("visibility", visibility)

        async def keep(tx: AsyncTableTransaction) -> None:
            key, row = await self._held(tx, message)
            longer = row.received(visibility)
            tx._put(key, replace(longer, receipt=row.receipt, deliveries=row.deliveries).stored)

        await self._engine.transaction(keep, _RETRIES, self._engine.limit)

    async def _take(self, key: Key, data_type: type[Any] | None, visibility: float) -> Message[Any] | None:
        """Give a message to this consumer; None if it is gone or busy."""

        async def take(tx: AsyncTableTransaction) -> Message[Any] | None:
            row = await self._row(tx, key)
            if row is None or row.busy:
                return None
            data = self._typed(row, data_type)
            taken = row.received(visibility)
            tx._put(key, taken.stored)
            return Message(taken.id, data, taken.receipt, taken.deliveries, key.sk, self._place)

        try:
            return await self._engine.transaction(take, 0)
        except RaceCondition:
            return None

    def _typed(self, row: Row, data_type: type[Any] | None) -> Any:
        try:
            return typed(row.data, data_type)
        except TypeError as error:
            raise TypeError(
                f"the message {row.id!r} of the queue {self.name!r} stays in it: {error}; or receive it by pull() "
                "without a type, and acknowledge it"
            ) from error

    async def _held(self, tx: AsyncTableTransaction, message: Message[Any]) -> tuple[Key, Row]:
        self._check(message)
        key = Key(self._rows, message.sk)
        row = await self._row(tx, key)
        if row is None or row.receipt != message.receipt:
            raise MessageLost(
                f"the message {message.id!r} was received by another consumer since, is acknowledged, or has new data"
            )
        return key, row

    def _check(self, message: Message[Any]) -> None:
        if not isinstance(message, Message):
            raise TypeError(
                f"a message is what pull() has returned, not {type(message).__name__}; "
                "pull() returns None for an empty queue"
            )
        if message.queue not in (None, self._place):
            raise ValueError(
                f"the message {message.id!r} is from the queue {message.queue}, and this is {self._place}; "
                "acknowledge it where it came from"
            )

    async def _row(self, tx: AsyncTableTransaction, key: Key) -> Row | None:
        record = await tx._get(key)
        return None if record is None else Row.of(decode(record.data))

    async def _ids(self, tx: AsyncTableTransaction, index: Key) -> Ids:
        record = await tx._get(index)
        return Ids() if record is None else Ids.of(decode(record.data))

    def __reduce__(self) -> NoReturn:
        from ...shared.pickling import refuse

        refuse(self)

    def __repr__(self) -> str:
        return f"AsyncQueue({self.name!r})"
