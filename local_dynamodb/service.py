"""The service: one lock, the operations of every Region, fault injection, replication and time to live."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from local_dynamodb.earlier_states import EarlierStates
from local_dynamodb.engine import tables, transactions
from local_dynamodb.engine.errors import ApiError, ServerError, canceled
from local_dynamodb.engine.items import ItemStore
from local_dynamodb.engine.operations import Operations
from local_dynamodb.faults import Attempt, Fault, Injector
from local_dynamodb.identities import Identities
from local_dynamodb.replication import Replication
from local_dynamodb.requests import items_of, tables_of, texts_of_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.items import Change
    from local_dynamodb.engine.schema import Table

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

_PORT = "port"
"""Setting with the port of the server."""

_BEFORE = frozenset({Fault.CONFLICT, Fault.THROTTLED, Fault.ERROR})


class Dropped(Exception):
    """The connection breaks instead of an answer."""


class Service:
    """Carries out requests, one at a time."""

    def __init__(self, file: str) -> None:
        """Open the items in a file of SQLite; `:memory:` keeps them in memory."""
        self._lock = threading.RLock()
        self._store = ItemStore(file)
        self._earlier = EarlierStates()
        self.injector = Injector()
        self.identities = Identities(self._store.identities())
        self.replication = Replication(self._store, self._lock, self._note)

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
            if region in self.replication.stopped:
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
            older = self._earlier.before if fault is Fault.STALE else _present
            with self._store.transaction():
                answer = run(Operations(self._store, region, older), parameters) | rest
                self.replication.record(self._store.changes)
            self._note(self._store.take_changes())
            if fault is Fault.UNKNOWN:
                raise Dropped
            return answer

    def replicate(self, table: str, regions: tuple[str, ...]) -> None:
        """Replicate a table that exists in one Region to others, which get its items as DynamoDB copies them."""
        with self._lock:
            found = next(each for (_, name), each in self._store.tables.items() if name == table)
            with self._store.transaction():
                for region in regions:
                    if (region, table) not in self._store.tables:
                        self._store.put_copy(found, region)
                self._store.put_replicas(table, regions)

    def stop_region(self, region: str) -> None:
        """Break every request to a Region, and let nothing arrive there, until it is started or the server ends."""
        with self._lock:
            self.replication.stopped.add(region)

    def put_identity(self, access_key_id: str, name: str, permissions: Sequence[Sequence[str]]) -> None:
        """Register an access key, or change its permissions; each is an action, a resource and an effect."""
        with self._lock:
            self.identities.put(access_key_id, name, permissions)
            with self._store.transaction():
                self._store.put_identity(access_key_id, name, permissions)

    @property
    def port(self) -> int:
        """The usual port of the server, 0 before the first start."""
        with self._lock:
            return int(self._store.setting(_PORT) or 0)

    @port.setter
    def port(self, number: int) -> None:
        with self._lock, self._store.transaction():
            self._store.put_setting(_PORT, str(number))

    def delete_expired(self, now: float | None = None) -> int:
        """Delete all items whose time to live has passed, and return their number; DynamoDB does so days later.

        Such a deletion is replicated as any other one, and counts in each Region that has made it.
        """
        if now is not None and (isinstance(now, bool) or not isinstance(now, (int, float))):
            raise ValueError(f"now is {now!r}; give seconds since the epoch")
        moment, count = time.time() if now is None else now, 0
        with self._lock:
            with self._store.transaction():
                for table in self._store.tables.values():
                    scanned = self._store.scan(table, (b"", b""))
                    expired = [key for key, item in scanned if _expired(table, item, moment)]
                    for key in expired:
                        self._store.delete(table, key)
                    count += len(expired)
                self.replication.record(self._store.changes)
            self._note(self._store.take_changes())
        return count

    def reset(self) -> None:
        """Delete all items, injections and changes on their way; the tables stay, and stopped Regions start."""
        with self._lock:
            self.injector.clear()
            self.replication.stopped.clear()
            self._earlier.clear()
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
        armed = any(each.fault is Fault.STALE for each in self.injector.armed().values())
        self._earlier.note(changes, armed=armed)


def _present(table: Table, key: tuple[bytes, bytes], item: Item | None) -> Item | None:
    """Return the present state of an item."""
    del table, key
    return item


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
