"""Operations on single items, batches and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks_runtime.atomic_table.limits import BATCH_READS, BATCH_WRITES, ITEM_BYTES
from local_dynamodb.engine.attributes import check_attributes, item_size
from local_dynamodb.engine.conditions import condition
from local_dynamodb.engine.errors import ApiError, condition_failed, invalid, invalid_values
from local_dynamodb.engine.key_conditions import key_condition
from local_dynamodb.engine.parameters import (
    limit,
    no_legacy,
    required,
    required_list,
    return_values,
    wants_count_only,
    wants_failed_item,
)
from local_dynamodb.engine.projections import projection
from local_dynamodb.engine.scope import Scope
from local_dynamodb.engine.updates import Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.conditions import Condition
    from local_dynamodb.engine.items import ItemStore
    from local_dynamodb.engine.schema import Table

    Key = tuple[bytes, bytes]

PAGE_BYTES = 1024 * 1024
"""Bytes of items that one Query or Scan reads (AWS developer guide, "Paginating table query results")."""


class Operations:
    """The operations of one Region. The caller holds the lock and the SQLite transaction.

    `older` returns an earlier state of an item for a read that is not consistent; it returns its argument otherwise.
    """

    def __init__(
        self, store: ItemStore, region: str, older: Callable[[Table, Key, Item | None], Item | None]
    ) -> None:
        self.store = store
        self.region = region
        self._older = older

    def table(self, parameters: Mapping[str, Any]) -> Table:
        """Return the table that a request names, by its name or ARN.

        Raises:
            ApiError: there is none.
        """
        name = str(parameters.get("TableName", "")).rpartition("/")[2]
        found = self.store.tables.get((self.region, name))
        if found is None:
            raise ApiError("ResourceNotFoundException", "Requested resource not found")
        return found

    def get_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run GetItem."""
        table = self.table(parameters)
        scope = _scope(parameters, table)
        part = projection(parameters, scope)
        scope.check_used()
        item = self.read(table, required(parameters, "Key"), bool(parameters.get("ConsistentRead")))
        return {} if item is None else {"Item": part(item)}

    def put_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run PutItem."""
        table, wanted = self.table(parameters), return_values(parameters)
        scope = _scope(parameters, table)
        item = self.checked_item(table, required(parameters, "Item"))
        before = self.check_condition(table, table.stored_key(item), parameters, scope)
        self.store.put(table, table.stored_key(item), item)
        return _returned(wanted, before, None)

    def delete_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run DeleteItem."""
        table, wanted = self.table(parameters), return_values(parameters)
        scope = _scope(parameters, table)
        key = table.stored_key(required(parameters, "Key"), exact=True)
        before = self.check_condition(table, key, parameters, scope)
        self.store.delete(table, key)
        return _returned(wanted, before, None)

    def update_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run UpdateItem."""
        table, wanted = self.table(parameters), return_values(parameters, of_update=True)
        scope = _scope(parameters, table)
        key = table.stored_key(required(parameters, "Key"), exact=True)
        text = parameters.get("UpdateExpression")
        update = Update(text, scope) if text is not None else None
        before = self.check_condition(table, key, parameters, scope)
        after = self.updated(table, parameters["Key"], before, update)
        self.store.put(table, key, after)
        return _returned(wanted, before, after, update)

    def updated(self, table: Table, key: Item, before: Item | None, update: Update | None) -> Item:
        """Return an item after an update; an absent item begins with its key.

        Raises:
            ApiError: the update changes the key, refers to something missing, or makes the item too large.
        """
        start = before if before is not None else check_attributes(key)
        if update is None:
            return start
        for path in update.paths:
            if path[0] in table.key_names:
                raise invalid_values(f"Cannot update attribute {path[0]}. This attribute is part of the key")
        after = update.apply(start)
        if item_size(after) > ITEM_BYTES:
            raise invalid("Item size to update has exceeded the maximum allowed size")
        return after

    def checked_item(self, table: Table, given: Mapping[str, Any]) -> Item:
        """Return an item to be written, with its numbers as they are stored.

        Raises:
            ApiError: a value or the key is not valid, or the item is too large.
        """
        item = check_attributes(given)
        table.stored_key(item)
        if item_size(item) > ITEM_BYTES:
            raise invalid("Item size has exceeded the maximum allowed size")
        return item

    def check_condition(
        self, table: Table, key: Key, parameters: Mapping[str, Any], scope: Scope
    ) -> Item | None:
        """Return the stored item, if the condition of a request holds for it.

        The condition is the last expression of a request, so that `scope` knows then which names and values are used.

        Raises:
            ApiError: it does not hold, or has a fault; or a name or a value of the request is not used.
        """
        text = parameters.get("ConditionExpression")
        test = condition("ConditionExpression", text, scope) if text is not None else None
        wanted = wants_failed_item(parameters)
        scope.check_used()
        before = self.store.get(table, key)
        if test is not None and not test.holds(before or {}):
            raise condition_failed(before if wanted else None)
        return before

    def read(self, table: Table, key: Item, consistent: bool) -> Item | None:
        """Return an item; if the read is not consistent, perhaps an older state of it."""
        stored = table.stored_key(key, exact=True)
        item = self.store.get(table, stored)
        return item if consistent else self._older(table, stored, item)

    def batch_get_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run BatchGetItem."""
        responses: dict[str, list[Item]] = {}
        wanted = required_list(parameters, "RequestItems")
        if sum(len(required_list(each, "Keys")) for each in wanted.values()) > BATCH_READS:
            raise invalid("Too many items requested for the BatchGetItem call")
        for name, request in wanted.items():
            table = self.table({"TableName": name})
            scope = _scope(request, table)
            part = projection(request, scope)
            scope.check_used()
            _check_distinct(table.stored_key(key, exact=True) for key in request["Keys"])
            read = (self.read(table, key, bool(request.get("ConsistentRead"))) for key in request["Keys"])
            responses[name] = [part(item) for item in read if item is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def batch_write_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run BatchWriteItem."""
        wanted = required_list(parameters, "RequestItems")
        if sum(len(required_list(wanted, name)) for name in wanted) > BATCH_WRITES:
            raise invalid("Too many items requested for the BatchWriteItem call")
        todo: list[tuple[Table, Key, Item | None]] = []
        for name, requests in wanted.items():
            table = self.table({"TableName": name})
            for request in requests:
                if len(request.keys() & {"PutRequest", "DeleteRequest"}) != 1:
                    raise invalid("A request must have exactly one of PutRequest and DeleteRequest")
                if "PutRequest" in request:
                    item = self.checked_item(table, request["PutRequest"]["Item"])
                    todo.append((table, table.stored_key(item), item))
                else:
                    todo.append((table, table.stored_key(request["DeleteRequest"]["Key"], exact=True), None))
        _check_distinct((table.name, key) for table, key, _ in todo)
        for table, key, after in todo:
            if after is None:
                self.store.delete(table, key)
            else:
                self.store.put(table, key, after)
        return {"UnprocessedItems": {}}

    def query(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run Query."""
        table = self.table(parameters)
        scope = _scope(parameters, table)
        text = parameters.get("KeyConditionExpression")
        if text is None:
            raise invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
            )
        wanted = key_condition(text, table, scope)
        reverse = parameters.get("ScanIndexForward") is False
        low, high = wanted.low, wanted.high
        start = parameters.get("ExclusiveStartKey")
        after: bytes | None = None
        if start:
            key = _start_key(table, start)
            wanted.check_start(key, start.get(table.sort_key))
            after = key[1]
        if after is not None and reverse:
            high = after if high is None else min(high, after)
        elif after is not None:
            low = max(low, after)
        rows = (
            (key, item)
            for key, item in self.store.partition(table, wanted.partition, low, high, reverse=reverse)
            if key[1] != after and wanted.matches(item.get(table.sort_key))
        )
        return self._page(table, parameters, scope, rows, is_query=True)

    def scan(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run Scan."""
        if "Segment" in parameters or "TotalSegments" in parameters:
            raise invalid("Parallel scans are not available locally")
        table = self.table(parameters)
        scope = _scope(parameters, table)
        start = parameters.get("ExclusiveStartKey")
        after = _start_key(table, start) if start else (b"", b"")
        return self._page(table, parameters, scope, self.store.scan(table, after))

    def _page(
        self,
        table: Table,
        parameters: Mapping[str, Any],
        scope: Scope,
        rows: Iterable[tuple[Key, Item]],
        *,
        is_query: bool = False,
    ) -> dict[str, Any]:
        """Return one page: items up to the limit, or up to 1 MB, before the filter."""
        if parameters.get("IndexName"):
            raise invalid("Secondary indexes are not available locally")
        most, count_only = limit(parameters), wants_count_only(parameters)
        text = parameters.get("FilterExpression")
        test = condition("FilterExpression", text, scope) if text is not None else None
        part = projection(parameters, scope)
        scope.check_used()
        if test is not None and is_query:
            _check_no_key(table, test)
        found: list[Item] = []
        read, bytes_, last = 0, 0, None
        for key, stored in self._seen(table, parameters, rows):
            read += 1
            bytes_ += item_size(stored)
            if test is None or test.holds(stored):
                found.append(part(stored))
            if read == most or bytes_ > PAGE_BYTES:
                last = table.key_of(stored)
                del key
                break
        answer: dict[str, Any] = {"Count": len(found), "ScannedCount": read}
        if not count_only:
            answer["Items"] = found
        return answer if last is None else answer | {"LastEvaluatedKey": last}

    def _seen(
        self, table: Table, parameters: Mapping[str, Any], rows: Iterable[tuple[Key, Item]]
    ) -> Iterator[tuple[Key, Item]]:
        """Yield the items that a read sees; one that is not consistent may miss new items."""
        consistent = bool(parameters.get("ConsistentRead"))
        for key, item in rows:
            seen = item if consistent else self._older(table, key, item)
            if seen is not None:
                yield key, seen


def _scope(parameters: Mapping[str, Any], table: Table) -> Scope:
    no_legacy(parameters)
    return Scope(parameters, table.key_names)


def _start_key(table: Table, start: Item) -> Key:
    """Return the key after which a page begins.

    Raises:
        ApiError: it is no key of the table.
    """
    try:
        return table.stored_key(start, exact=True)
    except ApiError as error:
        raise invalid(f"The provided starting key is invalid: {error.message}") from None


def _check_no_key(table: Table, filtered: Condition) -> None:
    """Check that the filter of a query has no attribute of the key: the key condition is for them."""
    named = {path[0] for path in filtered.paths()}
    for name in table.key_names:
        if name in named:
            raise invalid(
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: "
                + name
            )


def _check_distinct(keys: Iterable[object]) -> None:
    listed = list(keys)
    if len(set(listed)) != len(listed):
        raise invalid("Provided list of item keys contains duplicates")


def _returned(
    wanted: str, before: Item | None, after: Item | None, update: Update | None = None
) -> dict[str, Any]:
    """Return the answer with the attributes that ReturnValues asks for."""
    chosen = after if wanted.endswith("NEW") else before
    if wanted == "NONE" or chosen is None:
        return {}
    if wanted.startswith("ALL"):
        return {"Attributes": chosen}
    names = {str(path[0]) for path in update.paths} if update else set()
    attributes = {name: value for name, value in chosen.items() if name in names}
    return {"Attributes": attributes} if attributes else {}
