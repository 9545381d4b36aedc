"""TransactWriteItems and TransactGetItems.

Source: AWS API reference, "TransactWriteItems", with its errors and its idempotency.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from blocks_runtime.atomic_table.limits import ACTIONS, TOKEN_SECONDS, TRANSACTION_BYTES
from local_dynamodb.engine.attributes import item_size
from local_dynamodb.engine.errors import INVALID, ApiError, canceled, invalid
from local_dynamodb.engine.parameters import required, required_list, token
from local_dynamodb.engine.projections import projection
from local_dynamodb.engine.scope import Scope
from local_dynamodb.engine.updates import Update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.operations import Operations
    from local_dynamodb.engine.schema import Table

_KINDS = ("ConditionCheck", "Put", "Update", "Delete")
_TOO_LARGE = "Collection size of items in the transaction cannot exceed 4MB"


def transact_write(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out all actions or none; a request with a token that was carried out before does nothing.

    Raises:
        ApiError: the request is not valid, or an action failed; the reasons tell which.
    """
    known = token(parameters)
    if known is not None and _is_repeated(operations, parameters, known):
        return {}
    actions = [_action(each) for each in required_list(parameters, "TransactItems", ACTIONS)]
    keys = [_key_of(operations, kind, action) for kind, action in actions]
    if len(set(keys)) != len(keys):
        raise invalid("Transaction request cannot include multiple operations on one item")
    reasons = [_carry_out(operations, kind, action) for kind, action in actions]
    if any(reason["Code"] != "None" for reason in reasons):
        raise canceled(reasons)
    written = (change.after for change in operations.store.changes if change.after is not None)
    if sum(map(item_size, written)) > TRANSACTION_BYTES:
        raise invalid(_TOO_LARGE)
    if known is not None:
        operations.store.put_token(operations.region, known, _digest(parameters), time.time())
    return {}


def transact_get(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return items as they are at one moment."""
    requests = [required(each, "Get") for each in required_list(parameters, "TransactItems", ACTIONS)]
    responses: list[dict[str, Item]] = []
    seen: set[tuple[str, tuple[bytes, bytes]]] = set()
    size = 0
    for request in requests:
        table = operations.table(request)
        scope = Scope(request, table.key_names)
        key = table.stored_key(required(request, "Key"), exact=True)
        if (table.name, key) in seen:
            raise invalid("Transaction request cannot include multiple operations on one item")
        seen.add((table.name, key))
        part = projection(request, scope)
        scope.check_used()
        item = operations.store.get(table, key)
        size += 0 if item is None else item_size(item)
        responses.append({} if item is None else {"Item": part(item)})
    if size > TRANSACTION_BYTES:
        raise invalid(_TOO_LARGE)
    return {"Responses": responses}


def _is_repeated(operations: Operations, parameters: Mapping[str, Any], known: str) -> bool:
    digest = operations.store.digest_of_token(operations.region, known, time.time() - TOKEN_SECONDS)
    if digest is not None and digest != _digest(parameters):
        raise ApiError(
            "IdempotentParameterMismatchException",
            "The client request token was used before with other parameters",
        )
    return digest is not None


def _digest(parameters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def _action(given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    kinds = [kind for kind in _KINDS if given.get(kind) is not None]
    if len(kinds) != 1:
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    return kinds[0], given[kinds[0]]


def _key_of(operations: Operations, kind: str, action: Mapping[str, Any]) -> tuple[str, tuple[bytes, bytes]]:
    table = operations.table(action)
    if kind == "Put":
        return table.name, table.stored_key(required(action, "Item"))
    return table.name, table.stored_key(required(action, "Key"), exact=True)


def _carry_out(operations: Operations, kind: str, action: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out one action, and return its cancellation reason; the caller undoes all if one failed."""
    table = operations.table(action)
    scope = Scope(action, table.key_names)
    update = Update(required(action, "UpdateExpression"), scope) if kind == "Update" else None
    if kind == "ConditionCheck":
        required(action, "ConditionExpression")
    key = _key_of(operations, kind, action)[1]
    try:
        before = operations.check_condition(table, key, action, scope)
    except ApiError as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return {"Code": "ConditionalCheckFailed", "Message": error.message, **error.further}
    try:
        _write(operations, table, kind, action, before, update)
    except ApiError as error:
        if error.code != INVALID:
            raise
        return {"Code": "ValidationError", "Message": error.message}
    return {"Code": "None"}


def _write(
    operations: Operations,
    table: Table,
    kind: str,
    action: Mapping[str, Any],
    before: Item | None,
    update: Update | None,
) -> None:
    if kind == "Put":
        item = operations.checked_item(table, action["Item"])
        operations.store.put(table, table.stored_key(item), item)
    elif kind == "Update":
        after = operations.updated(table, action["Key"], before, update)
        operations.store.put(table, table.stored_key(after), after)
    elif kind == "Delete":
        operations.store.delete(table, table.stored_key(action["Key"], exact=True))
