"""Parameters of DynamoDB's operations for records and atomic writes, and records from its answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..errors import QueryFailed
from .items import ABSENT, Record, next_version
from .keys import Key, shown
from .values import encode
from .writes import Add, Delete, Put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..errors import RaceCondition
    from .writes import Write


def attributes_of(record: Record, write_id: str) -> dict[str, Any]:
    """Return the attributes of an item that a write stores."""
    attributes: dict[str, Any] = {
        **key_attributes(record.key),
        "data": record.data,
        "version": {"N": str(record.version)},
        "write_id": {"S": write_id},
    }
    if record.expires_at is not None:
        attributes["ttl"] = {"N": str(record.expires_at)}
    return attributes


def key_attributes(key: Key) -> dict[str, Any]:
    """Return the attributes of a key."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def record_of(attributes: Mapping[str, Any]) -> Record:
    """Return the record of an item's attributes.

    Raises:
        QueryFailed: another program has written it. Its data would be lost by the next write, and its changes unseen.
    """
    key = Key(attributes["pk"]["S"], attributes["sk"]["S"])
    expiry = attributes.get("ttl", {}).get("N")
    version = attributes.get("version", {}).get("N", "")
    if "data" not in attributes or not version.isdecimal():
        raise QueryFailed(
            "the item was not written by AtomicTable: it has no attribute data, or no whole number as version",
            detail=repr(tuple(key)),
            advice="keep items of other programs in a table of their own, or read them with boto3",
        )
    return Record(key, attributes["data"], int(version), None if expiry is None else int(float(expiry)))


def transaction_parameters(table: str, writes: Sequence[Write], write_id: str) -> dict[str, object]:
    """Return the parameters of TransactWriteItems, with the identity of the write as its token.

    With the token a repeated request is carried out once (AWS developer guide, "Idempotency"). A failed condition
    returns the item, which shows whether this very write has made it.
    """
    now = int(time.time())
    return {
        "ClientRequestToken": write_id,
        "TransactItems": [_action(table, write, write_id, now) for write in writes],
    }


def add_parameters(table: str, write: Add) -> dict[str, Any]:
    """Return the parameters of UpdateItem for an addition."""
    return {
        "TableName": table,
        "Key": key_attributes(write.key),
        "UpdateExpression": "SET #version = if_not_exists(#version, :now) + :one ADD #data :amount",
        "ExpressionAttributeNames": {"#version": "version", "#data": "data"},
        "ExpressionAttributeValues": {
            ":now": {"N": str(next_version())},
            ":one": {"N": "1"},
            ":amount": encode(write.amount, "amount"),
        },
    }


def query_parameters(
    table: str, pk: str, prefix: str, *, reverse: bool, consistent: bool, after: str | None
) -> dict[str, object]:
    """Return the parameters of Query for the items of a partition whose `sk` begins with `prefix`."""
    condition, values = "pk = :pk", {":pk": {"S": pk}}
    if prefix:
        condition += " AND begins_with(sk, :prefix)"
        values[":prefix"] = {"S": prefix}
    parameters: dict[str, object] = {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": not reverse,
        "ConsistentRead": consistent,
    }
    if after is not None:
        parameters["ExclusiveStartKey"] = key_attributes(Key(pk, after))
    return parameters


def unless_newer(table: str, entry: Mapping[str, Any], before: int) -> tuple[str, dict[str, Any]]:
    """Return an operation and its parameters that make one write of BatchWriteItem, unless the item is newer.

    A put is compared by its own version, a delete by `before`, a version that was drawn before it was first sent.
    """
    if put := entry.get("PutRequest"):
        item = put["Item"]
        condition = _where("attribute_not_exists(#version) OR #version < :version", item["version"]["N"])
        return "PutItem", {"TableName": table, "Item": item, **condition}
    key = entry["DeleteRequest"]["Key"]
    condition = _where("#version < :version", str(before))
    return "DeleteItem", {"TableName": table, "Key": key, **condition}


def is_undecided(entry: Mapping[str, Any], reasons: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether `unless_newer` has left the item of a writer that came later, or whose clock is ahead."""
    own = entry["PutRequest"]["Item"]["write_id"] if "PutRequest" in entry else None
    return any(found.get("write_id") != own for reason in reasons if (found := reason.get("Item")))


def _where(expression: str, version: str) -> dict[str, object]:
    return {
        "ConditionExpression": expression,
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": {"N": version}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _action(table: str, write: Write, write_id: str, now: int) -> dict[str, object]:
    if isinstance(write, Add):
        return {"Update": add_parameters(table, write)}
    condition = {} if write.expects is None else _condition(write.expects, now)
    if isinstance(write, Put):
        return {"Put": {"TableName": table, "Item": attributes_of(write.record, write_id), **condition}}
    name = "Delete" if isinstance(write, Delete) else "ConditionCheck"
    return {name: {"TableName": table, "Key": key_attributes(write.key), **condition}}


def _condition(expects: int, now: int) -> dict[str, object]:
    """Return the condition that an item has a version, or is absent; an expired one counts as absent."""
    if expects != ABSENT:
        return _where("#version = :version", str(expects))
    return {
        "ConditionExpression": "attribute_not_exists(pk) OR #ttl <= :now",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {":now": {"N": str(now)}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def is_own_write(write_id: str, reasons: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether conditions failed because this very write was carried out before.

    It is the case where an answer was lost and the endpoint does not know tokens. An item with the identity of this
    write was written by it, and with it all others.
    """
    return any((reason.get("Item") or {}).get("write_id") == {"S": write_id} for reason in reasons)


def with_keys(
    error: RaceCondition, writes: Sequence[Write], reasons: Sequence[Mapping[str, Any]]
) -> RaceCondition:
    """Return the error with the keys whose conditions failed."""
    error.keys = tuple(
        shown(write.key)
        for write, reason in zip(writes, reasons, strict=False)
        if reason.get("Code") in ("ConditionalCheckFailed", None) and not isinstance(write, Add)
    )
    return error
