# Auto-generated from aio/reads.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Methods of a table that read items."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, TypeVar, overload

    from ..shared.deadline import Deadline
    from .engine import TableEngine
    from .items import Item
    from .keys import KeyLike

    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


class Reads:
    """Reads items; the newest write is seen unless a call says otherwise."""

    @overload
    def get(
        self, key: KeyLike, *, consistent: bool = True, deadline: Deadline | None = None
    ) -> Item[Any] | None: ...
    @overload
    def get(
        self, key: KeyLike, data_type: type[T], *, consistent: bool = True, deadline: Deadline | None = None
    ) -> Item[T] | None: ...
    def get(
        self,
        key: KeyLike,
        data_type: type[Any] | None = None,
        *,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> Item[Any] | None:
        """Return an item, None if there is none or it has expired.

        Args:
            key: partition key and sort key, as a pair or as an item that has them.
            data_type: class of the data, such as a dataclass with its entries as fields. Default: a dict as stored.
            consistent: whether the newest write is seen for sure. False costs half, may be late, and must not be the
                basis of a write.
            deadline: time limit.

        Raises:
            DatabaseError: see `blocks_runtime.errors`.
        """
        from .arguments import switch

        read = self._connected().get_many
        (item,) = read([key], data_type, switch("consistent", consistent), until_of(deadline))
        return item

    @overload
    def get_many(
        self, keys: Iterable[KeyLike], *, consistent: bool = True, deadline: Deadline | None = None
    ) -> list[Item[Any] | None]: ...
    @overload
    def get_many(
        self,
        keys: Iterable[KeyLike],
        data_type: type[T],
        *,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> list[Item[T] | None]: ...
    def get_many(
        self,
        keys: Iterable[KeyLike],
        data_type: type[Any] | None = None,
        *,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> list[Item[Any] | None]:
        """Return any number of items in the order of their keys, None for each missing one.

        They are read in batches, so not of one moment; a transaction reads up to 100 of one moment. Otherwise as `get`.
        """
        from .arguments import switch

        read = self._connected().get_many
        return read(keys, data_type, switch("consistent", consistent), until_of(deadline))

    @overload
    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        reverse: bool = False,
        limit: int | None = None,
        after: str | None = None,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> list[Item[Any]]: ...
    @overload
    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        data_type: type[T],
        reverse: bool = False,
        limit: int | None = None,
        after: str | None = None,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> list[Item[T]]: ...
    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        data_type: type[Any] | None = None,
        reverse: bool = False,
        limit: int | None = None,
        after: str | None = None,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> list[Item[Any]]:
        """Return the items of a partition in the order of `sk`, by the bytes of UTF-8.

        Args:
            pk: partition key.
            prefix: beginning of `sk`. Default: all items.
            data_type: class of the data, as in `get`.
            reverse: whether the order is descending.
            limit: largest number of items. Default: all.
            after: `sk` of the last item of the page before; the item itself is left out.
            consistent: as in `get`.
            deadline: time limit.

        Raises:
            ValueError: the limit is negative.
            DatabaseError: see `blocks_runtime.errors`.
        """
        check_query(pk, prefix, data_type, reverse, limit, after, consistent)
        found: list[Item[Any]] = []
        if limit == 0:
            return found
        pages = self._pages(pk, prefix, data_type, reverse, limit, after, consistent, until_of(deadline))
        for item in pages:
            found.append(item)
        return found

    @overload
    def stream(
        self,
        pk: str,
        prefix: str = "",
        *,
        reverse: bool = False,
        after: str | None = None,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> Iterator[Item[Any]]: ...
    @overload
    def stream(
        self,
        pk: str,
        prefix: str = "",
        *,
        data_type: type[T],
        reverse: bool = False,
        after: str | None = None,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> Iterator[Item[T]]: ...
    def stream(
        self,
        pk: str,
        prefix: str = "",
        *,
        data_type: type[Any] | None = None,
        reverse: bool = False,
        after: str | None = None,
        consistent: bool = True,
        deadline: Deadline | None = None,
    ) -> Iterator[Any]:
        """Yield all items of a partition, page by page (1 MB); otherwise as `query`.

        The pages are not of one moment: an item that is written meanwhile may be seen or not.
        """
        check_query(pk, prefix, data_type, reverse, None, after, consistent)
        return self._pages(pk, prefix, data_type, reverse, None, after, consistent, until_of(deadline))

    def _pages(
        self,
        pk: str,
        prefix: str,
        data_type: type[Any] | None,
        reverse: bool,
        limit: int | None,
        after: str | None,
        consistent: bool,
        until: float | None,
    ) -> Iterator[Item[Any]]:
        from .items import item_of

        if after is not None and not (after and after.startswith(prefix)):
            # DynamoDB refuses a place outside of the prefix: all of the items come after it, or none.
            if (after <= prefix) == reverse:
                return
            after = None
        engine, left = self._connected(), limit
        while True:
            records, after = engine.store.page(
                pk, prefix, until, reverse=reverse, limit=left, after=after, consistent=consistent
            )
            for record in records:
                item = item_of(record, data_type, engine.store.table)
                if item is None:
                    continue
                yield item
                if left is not None:
                    left -= 1
                    if not left:
                        return
            if after is None:
                return

    def _connected(self) -> TableEngine:
        raise NotImplementedError


def check_query(
    pk: object,
    prefix: object,
    data_type: object,
    reverse: object,
    limit: object,
    after: object,
    consistent: object,
) -> None:
    """Check the arguments of a query.

    Raises:
        TypeError: one is of another type.
        ValueError: the partition key is empty, or the limit negative.
    """
    from .arguments import switch, whole
    from .keys import check_place
    from .typed import check_type

    check_place(pk, prefix, after)
    check_type(data_type)
    switch("reverse", reverse)
    switch("consistent", consistent)
    if limit is not None:
        whole("limit", limit, 0)


def until_of(deadline: Deadline | None) -> float | None:
    """Return the `time.monotonic()` at which a deadline passes."""
    if deadline is None:
        return None
    from ..shared.deadline import expires_at

    return expires_at(deadline)
