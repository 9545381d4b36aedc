"""The service: one lock, the operations of every Region, fault injection, replication and time to live."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from local_dynamodb.engine import tables, transactions
from local_dynamodb.engine.errors import ApiError, ServerError, canceled
from local_dynamodb.engine.items import Change, ItemStore
from local_dynamodb.engine.operations import Operations
from local_dynamodb.faults import Attempt, Fault, Injector
from local_dynamodb.identities import Identities
from local_dynamodb.replication import Replication
from local_dynamodb.requests import items_of, tables_of, texts_of_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.schema import Table
    from local_dynamodb.replication import Arrival

    Operation = Callable[[Operations, Mapping[str, Any]], dict[str, Any]]

OPERATIONS: dict[str, Operation] = {
    "BatchGetItem": Operations.batch_get_item,
    "BatchWriteItem": Operations.batch_write_item,
    "CreateTable": tables.create_table,
    "DeleteItem": Operations.delete_item,
    "DeleteTable": tables.delete_table,
    "DescribeTable": tables.describe_table,
    "DescribeTimeToLive": tables.describe_time_to_live,
    "GetItem": Operations.get_item,
    "ListTables": tables.list_tables,
    "PutItem": Operations.put_item,
    "Query": Operations.query,
    "Scan": Operations.scan,
    "TransactGetItems": transactions.transact_get,
    "TransactWriteItems": transactions.transact_write,
    "UpdateItem": Operations.update_item,
    "UpdateTimeToLive": tables.update_time_to_live,
}

_BEFORE = frozenset({Fault.CONFLICT, Fault.THROTTLED, Fault.ERROR})


class Dropped(Exception):
    """The connection breaks instead of an answer."""


class Service:
    """Carries out requests, one at a time."""

    def __init__(self, file: str) -> None:
        """Open the items in a file of SQLite; `:memory:` keeps them in memory."""
        self._lock = threading.RLock()
        self._store = ItemStore(file)
        self._older: dict[tuple[str, str, tuple[bytes, bytes]], Item | None] = {}
        self._stale = False
        self.injector = Injector()
        self.replication = Replication(self._arrive)
        self.stopped_regions: set[str] = set()
        self.identities = Identities()

    def call(
        self, operation: str, region: str, parameters: Mapping[str, Any], access_key_id: str = ""
    ) -> dict[str, Any]:
        """Carry out a request and return its answer.

        The key is checked if it belongs to an identity, and accepted otherwise.

        Raises:
            ApiError: it is refused.
            Dropped: the connection is to be broken.
        """
        run = OPERATIONS.get(operation)
        if run is None:
            raise ApiError("UnknownOperationException", f"{operation} is not available locally")
        with self._lock:
            if region in self.stopped_regions:
                raise Dropped
            self.identities.check(access_key_id, operation, region, parameters)
            attempt = Attempt(operation, region, tables_of(parameters), texts_of_keys(parameters))
            fault = self.injector.next_fault(attempt)
            if fault in _BEFORE:
                raise _refusal(fault, operation, parameters)
            if fault is Fault.LOST:
                raise Dropped
            rest: dict[str, Any] = {}
            if fault is Fault.UNPROCESSED:
                parameters, rest = _halved(operation, parameters)
                if not parameters["RequestItems"]:
                    return ({"Responses": {}} if operation == "BatchGetItem" else {}) | rest
            if fault is Fault.MISSING_TOKEN:
                parameters = {
                    name: value for name, value in parameters.items() if name != "ClientRequestToken"
                }
            self._stale = fault is Fault.STALE
            with self._store.transaction():
                answer = run(Operations(self._store, region, self._older_state), parameters) | rest
            self._note(self._store.changes)
            if fault is Fault.UNKNOWN:
                raise Dropped
            return answer

    def replicate(self, table: str, regions: tuple[str, ...]) -> None:
        """Replicate a table that exists in one Region to others."""
        with self._lock:
            found = next(each for (_, name), each in self._store.tables.items() if name == table)
            with self._store.transaction():
                for region in regions:
                    if (region, table) not in self._store.tables:
                        self._store.put_table(found.in_region(region))
            self.replication.replicas[table] = regions

    def delete_expired(self, now: float | None = None) -> int:
        """Delete all items whose time to live has passed, and return their number; DynamoDB does so days later."""
        if now is not None and (isinstance(now, bool) or not isinstance(now, (int, float))):
            raise ValueError(f"now is {now!r}; give seconds since the epoch")
        moment, count = time.time() if now is None else now, 0
        with self._lock, self._store.transaction():
            for table in self._store.tables.values():
                expired = [
                    key for key, item in self._store.scan(table, (b"", b"")) if _expired(table, item, moment)
                ]
                for key in expired:
                    self._store.delete(table, key)
                count += len(expired)
        return count

    def reset(self) -> None:
        """Delete all items, injections and changes on their way; the tables stay, and stopped Regions start."""
        with self._lock:
            self.replication.clear()
            self.injector.clear()
            self.stopped_regions.clear()
            self._older.clear()
            with self._store.transaction():
                self._store.clear()

    def table_names(self) -> list[str]:
        """Return the names of all tables, as `region/name`."""
        with self._lock:
            return [f"{region}/{name}" for region, name in self._store.tables]

    def close(self) -> None:
        """Stop, and close the file."""
        self.replication.close()
        with self._lock:
            self._store.close()

    def _note(self, changes: list[Change]) -> None:
        for change in changes:
            self._older[(change.table.region, change.table.name, change.key)] = change.before
        if changes:
            self.replication.record(changes)

    def _older_state(self, table: Table, key: tuple[bytes, bytes], item: Item | None) -> Item | None:
        place = (table.region, table.name, key)
        return self._older[place] if self._stale and place in self._older else item

    def _arrive(self, arrival: Arrival) -> None:
        while True:
            with self._lock:
                if arrival.region not in self.stopped_regions:
                    self._apply(arrival)
                    return
            time.sleep(0.02)

    def _apply(self, arrival: Arrival) -> None:
        table = self._store.tables.get((arrival.region, arrival.table))
        if table is None or not self.replication.wins(arrival):
            return
        with self._store.transaction():
            if arrival.after is None:
                self._store.delete(table, arrival.key)
            else:
                self._store.put(table, arrival.key, arrival.after)
        for change in self._store.changes:
            self._older[(table.region, table.name, change.key)] = change.before


def _expired(table: Table, item: Item, now: float) -> bool:
    value = item.get(table.ttl_attribute, {}).get("N") if table.ttl_attribute else None
    return value is not None and float(value) <= now


def _refusal(fault: Fault, operation: str, parameters: Mapping[str, Any]) -> ApiError:
    """Return the error of a request that a fault refuses."""
    if fault is Fault.ERROR:
        return ServerError("InternalServerError", "Internal server error")
    if operation == "TransactWriteItems":
        code = "TransactionConflict" if fault is Fault.CONFLICT else "ThrottlingError"
        return canceled([{"Code": code}, *({"Code": "None"} for _ in items_of(parameters)[1:])])
    if fault is Fault.CONFLICT:
        return ApiError("TransactionConflictException", "Transaction is ongoing for the item")
    return ApiError(
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded",
    )


def _halved(operation: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the half of a batch that is carried out, and the answer's part about the other one."""
    name = "UnprocessedKeys" if operation == "BatchGetItem" else "UnprocessedItems"
    done, rest = {}, {}
    for table, wanted in parameters["RequestItems"].items():
        if operation == "BatchGetItem":
            middle = len(wanted["Keys"]) // 2
            parts = [wanted | {"Keys": keys} for keys in (wanted["Keys"][:middle], wanted["Keys"][middle:])]
            counts = [len(part["Keys"]) for part in parts]
        else:
            middle = len(wanted) // 2
            parts = [wanted[:middle], wanted[middle:]]
            counts = [len(part) for part in parts]
        if counts[0]:
            done[table] = parts[0]
        if counts[1]:
            rest[table] = parts[1]
    return {**parameters, "RequestItems": done}, {name: rest}
